using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The quantile of each sample's magnitudes, clamped to [1, most]; see <see cref="IKernels.Quantile"/>. It has no gradient.</summary>
    /// <param name="x">[N,...].</param>
    /// <param name="quantile">0 to 1.</param>
    /// <param name="most">Greatest limit, at least 1; may be infinite.</param>
    /// <param name="limit">[N], written; a new tensor when left out.</param>
    /// <returns>The limits.</returns>
    /// <exception cref="ArgumentException">A shape does not fit, or a number is out of its range.</exception>
    public Tensor Quantile(Tensor x, double quantile, double most, Tensor? limit = null)
    {
        if (x.Shape.Rank == 0) throw new ArgumentException($"Quantile takes samples [N,...]; got {x}.");
        if (!(quantile is >= 0 and <= 1)) throw new ArgumentException($"A quantile lies in [0, 1]; got {quantile}.");
        if (!(most >= 1)) throw new ArgumentException($"The greatest limit is at least 1; got {most}.");
        limit ??= Temporary(new Shape(x.Shape.Batch), "limit");
        CheckPerRow(nameof(Quantile), x, limit);
        var to = limit;
        Record(nameof(IKernels.Quantile), [x], [to], k => k.Quantile(x.View, quantile, (float)most, to.View), 4.0 * x.Count);
        RefuseGradient(nameof(Quantile), [x], to);
        return to;
    }
}
