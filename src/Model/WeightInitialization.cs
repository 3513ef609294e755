using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model;

/// <summary>Fills parameters as their <see cref="Initializer"/>s say, from counter-based random numbers: one sample index per parameter.</summary>
internal static class WeightInitialization
{
    public static void Apply(Parameters parameters, IKernels kernels, ulong seed)
    {
        for (int p = 0; p < parameters.Items.Count; p++)
        {
            var parameter = parameters.Items[p];
            float[] values = new float[parameter.Shape.Count];
            var (distribution, scale) = (parameter.Initializer.Distribution, parameter.Initializer.Scale);
            for (int i = 0; i < values.Length; i++)
                values[i] = distribution switch
                {
                    InitialDistribution.Constant => (float)scale,
                    InitialDistribution.Table => (float)parameter.Initializer.Element!(i),
                    InitialDistribution.Uniform => (float)(scale * (2 * Philox.Uniform(seed, (uint)p, 0, RandomStream.Weights, (uint)i) - 1)),
                    _ => (float)(scale * Philox.Normal(seed, (uint)p, 0, RandomStream.Weights, (uint)i)),
                };
            kernels.Upload(values, parameters.ValueOf(parameter));
        }
        parameters.MarkChanged();
    }
}
