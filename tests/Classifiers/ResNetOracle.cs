using NativeDiffusion.Model.Classifiers;

namespace NativeDiffusion.Tests.Classifiers;

/// <summary>A ResNet in double, NHWC, from its published weights as they are: nothing is folded.</summary>
internal sealed class ResNetOracle(ResNetConfig config, Dictionary<string, float[]> weights, int batch, int size)
{
    public double[] Logits(double[] images, double beta)
    {
        var x = new Map(images, size, config.InChannels);
        bool imageNet = config.Stem == ResNetStem.ImageNet;
        x = Activate(Convolve(x, "conv1", "bn1", imageNet ? 7 : 3, imageNet ? 2 : 1), beta);
        if (imageNet) x = MaxPool(x);
        for (int stage = 0; stage < config.Layers.Length; stage++)
            for (int i = 0; i < config.Layers[stage]; i++)
            {
                string name = $"layer{stage + 1}.{i}.", shortcut = name + (imageNet ? "downsample" : "shortcut");
                int stride = stage > 0 && i == 0 ? 2 : 1;
                bool basic = config.Block == ResNetBlock.Basic;
                var h = Activate(Convolve(x, name + "conv1", name + "bn1", basic ? 3 : 1, basic ? stride : 1), beta);
                h = Convolve(h, name + "conv2", name + "bn2", 3, basic ? 1 : stride);
                if (!basic) h = Convolve(Activate(h, beta), name + "conv3", name + "bn3", 1, 1);
                var residual = weights.ContainsKey(shortcut + ".0.weight") ? Convolve(x, shortcut + ".0", shortcut + ".1", 1, stride)
                    : h.Channels == x.Channels ? x : Pad(x, h.Channels);
                x = Activate(h with { Data = [.. h.Data.Zip(residual.Data, (a, b) => a + b)] }, beta);
            }
        string head = imageNet ? "fc" : "linear";
        int pixels = x.Size * x.Size;
        double[] logits = new double[batch * config.Classes];
        for (int n = 0; n < batch; n++)
            for (int k = 0; k < config.Classes; k++)
            {
                double sum = weights[head + ".bias"][k];
                for (int p = 0; p < pixels; p++)
                    for (int c = 0; c < x.Channels; c++)
                        sum += x.Data[(n * pixels + p) * x.Channels + c] * weights[head + ".weight"][k * x.Channels + c] / pixels;
                logits[n * config.Classes + k] = sum;
            }
        return logits;
    }

    private static Map Activate(Map x, double beta) => x with
    {
        Data = [.. x.Data.Select(v => double.IsPositiveInfinity(beta) ? Math.Max(v, 0) : beta * v > 20 ? v : Math.Log(1 + Math.Exp(beta * v)) / beta)],
    };

    private Map Convolve(Map x, string conv, string norm, int kernel, int stride)
    {
        float[] w = weights[conv + ".weight"], gamma = weights[norm + ".weight"], beta = weights[norm + ".bias"];
        float[] mean = weights[norm + ".running_mean"], variance = weights[norm + ".running_var"];
        int size = (x.Size - 1) / stride + 1, channels = gamma.Length, padding = kernel / 2;
        double[] y = new double[batch * size * size * channels];
        for (int at = 0; at < y.Length; at++)
        {
            int o = at % channels, j = at / channels % size, i = at / channels / size % size, n = at / channels / size / size;
            double sum = 0;
            for (int a = 0; a < kernel; a++)
                for (int b = 0; b < kernel; b++)
                {
                    int row = i * stride + a - padding, column = j * stride + b - padding;
                    if (row < 0 || row >= x.Size || column < 0 || column >= x.Size) continue;
                    for (int c = 0; c < x.Channels; c++) sum += x.At(n, row, column, c) * w[((o * x.Channels + c) * kernel + a) * kernel + b];
                }
            y[at] = (sum - mean[o]) / Math.Sqrt(variance[o] + 1e-5) * gamma[o] + beta[o];
        }
        return new(y, size, channels);
    }

    private Map MaxPool(Map x)
    {
        int size = (x.Size + 1) / 2;
        double[] y = new double[batch * size * size * x.Channels];
        for (int at = 0; at < y.Length; at++)
        {
            int c = at % x.Channels, j = at / x.Channels % size, i = at / x.Channels / size % size, n = at / x.Channels / size / size;
            y[at] = double.NegativeInfinity;
            for (int row = Math.Max(0, 2 * i - 1); row <= Math.Min(x.Size - 1, 2 * i + 1); row++)
                for (int column = Math.Max(0, 2 * j - 1); column <= Math.Min(x.Size - 1, 2 * j + 1); column++)
                    y[at] = Math.Max(y[at], x.At(n, row, column, c));
        }
        return new(y, size, x.Channels);
    }

    private Map Pad(Map x, int channels)
    {
        int size = (x.Size + 1) / 2, before = (channels - x.Channels) / 2;
        double[] y = new double[batch * size * size * channels];
        for (int at = 0; at < y.Length; at++)
        {
            int c = at % channels - before, j = at / channels % size, i = at / channels / size % size, n = at / channels / size / size;
            y[at] = c < 0 || c >= x.Channels ? 0 : x.At(n, 2 * i, 2 * j, c);
        }
        return new(y, size, channels);
    }

    private sealed record Map(double[] Data, int Size, int Channels)
    {
        public double At(int n, int row, int column, int c) => Data[((n * Size + row) * Size + column) * Channels + c];
    }
}
