using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Multi-head attention and its gradient in double, with the whole matrix of weights.</summary>
internal static class AttentionReference
{
    /// <summary>Channel of qkv that holds query (0), key (1) or value (2) <paramref name="i"/> of a head.</summary>
    public static int Channel(QkvOrder order, int heads, int headDim, int head, int which, int i) => order switch
    {
        QkvOrder.PerHead => (head * 3 + which) * headDim + i,
        QkvOrder.Split => (which * heads + head) * headDim + i,
        _ => (head * headDim + i) * 3 + which,
    };

    public static (double[] Y, double[] LogSumExp) Forward(double[] qkv, int batch, int tokens, int heads, int headDim, QkvOrder order, double scale, bool causal = false)
    {
        int channels = heads * headDim;
        var y = new double[batch * tokens * channels];
        var logSumExp = new double[batch * heads * tokens];
        for (int n = 0; n < batch; n++)
            for (int h = 0; h < heads; h++)
                for (int i = 0; i < tokens; i++)
                {
                    double[] weights = Weights(qkv, n, tokens, heads, headDim, h, i, order, scale, causal, out logSumExp[(n * heads + h) * tokens + i]);
                    for (int c = 0; c < headDim; c++)
                    {
                        int channel = Channel(order, heads, headDim, h, 2, c);
                        double sum = 0;
                        for (int j = 0; j < tokens; j++) sum += weights[j] * qkv[(n * tokens + j) * 3 * channels + channel];
                        y[(n * tokens + i) * channels + h * headDim + c] = sum;
                    }
                }
        return (y, logSumExp);
    }

    /// <summary>Through the softmax Jacobian: dS[j] = w[j] (dw[j] - sum over l of w[l] dw[l]).</summary>
    public static double[] Backward(double[] qkv, double[] dy, int batch, int tokens, int heads, int headDim, QkvOrder order, double scale, bool causal = false)
    {
        int channels = heads * headDim;
        var dqkv = new double[qkv.Length];
        for (int n = 0; n < batch; n++)
            for (int h = 0; h < heads; h++)
                for (int i = 0; i < tokens; i++)
                {
                    double[] weights = Weights(qkv, n, tokens, heads, headDim, h, i, order, scale, causal, out _);
                    var dw = new double[tokens];
                    double mean = 0;
                    for (int j = 0; j < tokens; j++)
                    {
                        for (int c = 0; c < headDim; c++)
                        {
                            double g = dy[(n * tokens + i) * channels + h * headDim + c];
                            int v = Index(j, 2, c);
                            dw[j] += g * qkv[v];
                            dqkv[v] += weights[j] * g;
                        }
                        mean += weights[j] * dw[j];
                    }
                    for (int j = 0; j < tokens; j++)
                    {
                        double ds = weights[j] * (dw[j] - mean) * scale;
                        for (int c = 0; c < headDim; c++)
                        {
                            dqkv[Index(i, 0, c)] += ds * qkv[Index(j, 1, c)];
                            dqkv[Index(j, 1, c)] += ds * qkv[Index(i, 0, c)];
                        }
                    }

                    int Index(int token, int which, int c) =>
                        (n * tokens + token) * 3 * channels + Channel(order, heads, headDim, h, which, c);
                }
        return dqkv;
    }

    private static double[] Weights(
        double[] qkv, int n, int tokens, int heads, int headDim, int head, int query, QkvOrder order, double scale, bool causal, out double logSumExp)
    {
        int channels = heads * headDim;
        var weights = new double[tokens];
        for (int j = 0; j < tokens; j++)
            for (int c = 0; c < headDim; c++)
                weights[j] += scale * qkv[(n * tokens + query) * 3 * channels + Channel(order, heads, headDim, head, 0, c)]
                    * qkv[(n * tokens + j) * 3 * channels + Channel(order, heads, headDim, head, 1, c)];
        if (causal) Array.Fill(weights, double.NegativeInfinity, query + 1, tokens - query - 1);
        double max = weights.Max();
        double sum = weights.Sum(w => Math.Exp(w - max));
        logSumExp = max + Math.Log(sum);
        for (int j = 0; j < tokens; j++) weights[j] = Math.Exp(weights[j] - logSumExp);
        return weights;
    }
}
