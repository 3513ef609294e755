using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Cosines and then sines of t at geometrically spaced frequencies: [N] to [N,dim]. No gradient flows to t. See
    /// <see cref="IKernels.TimestepEmbedding"/>.
    /// </summary>
    /// <exception cref="ArgumentException">t is not a vector, or the width or the period is out of range.</exception>
    public Tensor TimestepEmbedding(Tensor t, int dim, double maxPeriod = 10000)
    {
        if (t.Shape.Rank != 1) throw new ArgumentException($"TimestepEmbedding takes one time per row, [N]; got {t}.");
        if (dim < 2) throw new ArgumentException($"TimestepEmbedding has at least 2 columns; got {dim}.");
        if (!(maxPeriod > 0) || double.IsInfinity(maxPeriod))
            throw new ArgumentException($"TimestepEmbedding's longest period is positive and finite; got {maxPeriod}.");
        var y = Temporary(new Shape(t.Shape.Batch, dim), "timestep");
        Record(nameof(IKernels.TimestepEmbedding), [t], [y], k => k.TimestepEmbedding(t.View, maxPeriod, y.View));
        RefuseGradient(nameof(TimestepEmbedding), [t], y);
        return y;
    }
}
