using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The mean over all positions: [N,H,W,C] or [N,T,C] to [N,C].</summary>
    /// <exception cref="ArgumentException">x has no positions.</exception>
    public Tensor GlobalAveragePool(Tensor x)
    {
        if (x.Shape.Rank < 3) throw new ArgumentException($"GlobalAveragePool takes [N,H,W,C] or [N,T,C]; got {x}.");
        var y = Temporary(new Shape(x.Shape.Batch, x.Shape.Channels), "average");
        Record(nameof(IKernels.GlobalAveragePoolForward), [x], [y], k => k.GlobalAveragePoolForward(x.View, y.View), x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.GlobalAveragePoolBackward), [dy], [dx],
                k => k.GlobalAveragePoolBackward(dy.View, dx.View, accumulate), x.Count);
        });
        return y;
    }
}
