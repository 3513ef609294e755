using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Cosines and then sines of a time at given frequencies: [N] and [half] to [N, 2 half]. Nothing is differentiated. See
    /// <see cref="IKernels.FourierEmbedding"/>.
    /// </summary>
    /// <exception cref="ArgumentException">Not vectors.</exception>
    public Tensor FourierEmbedding(Tensor t, Tensor frequencies)
    {
        if (t.Shape.Rank != 1 || frequencies.Shape.Rank != 1)
            throw new ArgumentException($"FourierEmbedding takes one time per row, [N], and a vector of frequencies; got {t} and {frequencies}.");
        var y = Temporary(new Shape(t.Shape.Batch, checked((int)(2 * frequencies.Count))), "fourier");
        Record(nameof(IKernels.FourierEmbedding), [t, frequencies], [y], k => k.FourierEmbedding(t.View, frequencies.View, y.View));
        RefuseGradient(nameof(FourierEmbedding), [t], y);
        return y;
    }
}
