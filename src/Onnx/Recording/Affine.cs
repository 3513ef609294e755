using NativeDiffusion.Onnx.Graphs;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>A factor and a shift for each channel: what a BatchNormalization is in use, y = (x - mean) scale / sqrt(variance + epsilon) + shift.</summary>
internal sealed record Affine(Func<float[]> Factors, Func<float[]> Shifts)
{
    /// <param name="node">The normalisation.</param>
    /// <param name="x">Scale, shift, mean and variance.</param>
    /// <param name="channels">Their number of elements.</param>
    public static Affine Of(OnnxNode node, Constant[] x, int channels)
    {
        if (x.Length < 4 || x.Take(4).Any(c => c.Count != channels)) throw node.Error($"it has not four vectors of {channels} elements");
        if (node.Integer("training_mode", 0) != 0) throw node.Error("it normalises by the batch's own mean, as in training; export the graph for inference");
        double epsilon = node.Real("epsilon", 1e-5f);
        double[] Exact() => [.. x[0].Reals().Zip(x[3].Reals(), (scale, variance) => scale / Math.Sqrt(variance + epsilon))];
        return new(() => [.. Exact().Select(f => (float)f)], () =>
        {
            float[] shift = x[1].Reals(), mean = x[2].Reals();
            return [.. Exact().Select((f, i) => (float)(shift[i] - mean[i] * f))];
        });
    }
}
