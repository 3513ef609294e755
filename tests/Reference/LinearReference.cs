namespace NativeDiffusion.Tests.Reference;

/// <summary>The linear layer and its gradients, in double, term by term.</summary>
internal static class LinearReference
{
    public static double[] Forward(double[] x, double[] weight, double[]? bias, int rows, int inputs, int outputs)
    {
        var y = new double[rows * outputs];
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < outputs; n++)
            {
                double sum = bias?[n] ?? 0;
                for (int k = 0; k < inputs; k++) sum += x[m * inputs + k] * weight[n * inputs + k];
                y[m * outputs + n] = sum;
            }
        return y;
    }

    public static (double[] Dx, double[] Dw, double[] Db) Backward(double[] x, double[] weight, double[] dy, int rows, int inputs, int outputs)
    {
        var dx = new double[x.Length];
        var dw = new double[weight.Length];
        var db = new double[outputs];
        for (int m = 0; m < rows; m++)
            for (int n = 0; n < outputs; n++)
            {
                double g = dy[m * outputs + n];
                db[n] += g;
                for (int k = 0; k < inputs; k++)
                {
                    dx[m * inputs + k] += g * weight[n * inputs + k];
                    dw[n * inputs + k] += g * x[m * inputs + k];
                }
            }
        return (dx, dw, db);
    }
}
