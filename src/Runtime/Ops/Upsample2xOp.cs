using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Every position repeated 2 x 2 times: [N,H,W,C] to [N,2H,2W,C].</summary>
    /// <exception cref="ArgumentException">Not an image.</exception>
    public Tensor UpsampleNearest2x(Tensor x)
    {
        if (x.Shape.Rank != 4) throw new ArgumentException($"UpsampleNearest2x takes an image [N,H,W,C]; got {x}.");
        if (AreShared(out var rows, x)) return Share(_steps.Count, UpsampleNearest2x(x.GatheredFrom!), rows);
        var y = Temporary(new Shape(x.Shape[0], 2 * x.Shape[1], 2 * x.Shape[2], x.Shape[3]), "upsample");
        Record(nameof(IKernels.UpsampleNearest2xForward), [x], [y], k => k.UpsampleNearest2xForward(x.View, y.View));
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.UpsampleNearest2xBackward), [dy], [dx],
                k => k.UpsampleNearest2xBackward(dy.View, dx.View, accumulate), y.Count);
        });
        return y;
    }
}
