using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y[n,...] = factor[n] x[n,...]. No gradient flows to the factors.</summary>
    /// <param name="x">[N,...].</param>
    /// <param name="factor">[N].</param>
    /// <exception cref="ArgumentException">There is not one factor per row.</exception>
    public Tensor ScaleRows(Tensor x, Tensor factor)
    {
        CheckPerRow(nameof(ScaleRows), x, factor);
        var y = Temporary(x.Shape, "scaled");
        Record(nameof(IKernels.ScaleRows), [x, factor], [y], k => k.ScaleRows(x.View, factor.View, y.View, accumulate: false), x.Count);
        RefuseGradient(nameof(ScaleRows), [factor], y);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.ScaleRows), [dy, factor], [dx], k => k.ScaleRows(dy.View, factor.View, dx.View, accumulate), x.Count);
        });
        return y;
    }
}
