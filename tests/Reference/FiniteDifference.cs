namespace NativeDiffusion.Tests.Reference;

/// <summary>Gradients from central differences in double.</summary>
internal static class FiniteDifference
{
    /// <summary>The gradient of <paramref name="loss"/>, which reads <paramref name="values"/>, for each of them.</summary>
    public static double[] Gradient(double[] values, Func<double> loss)
    {
        const double Step = 1e-5;
        var gradient = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            double value = values[i];
            values[i] = value + Step;
            double above = loss();
            values[i] = value - Step;
            gradient[i] = (above - loss()) / (2 * Step);
            values[i] = value;
        }
        return gradient;
    }
}
