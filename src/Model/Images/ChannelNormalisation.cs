using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Images;

/// <summary>Images in [-1, 1] as networks of other ranges want them, with a gradient.</summary>
internal static class ChannelNormalisation
{
    /// <summary>((x + 1) / 2 - mean) / deviation for each channel.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="x">[N, H, W, C] in [-1, 1].</param>
    /// <param name="channels">Mean and deviation of each channel, of values in [0, 1].</param>
    public static Tensor Record(PlanBuilder b, Tensor x, ReadOnlySpan<(double Mean, double Deviation)> channels)
    {
        int n = channels.Length;
        float[] scale = new float[n * n], shift = new float[n];
        for (int c = 0; c < n; c++)
        {
            scale[(n + 1) * c] = (float)(0.5 / channels[c].Deviation);
            shift[c] = (float)((0.5 - channels[c].Mean) / channels[c].Deviation);
        }
        return b.Linear(x, b.Reshape(b.Constant("normalisation.scale", scale), new Shape(n, n)), b.Constant("normalisation.shift", shift));
    }
}
