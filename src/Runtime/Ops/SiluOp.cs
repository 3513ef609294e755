using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x * sigmoid(x), element by element.</summary>
    public Tensor Silu(Tensor x)
    {
        if (AreShared(out var rows, x)) return Share(_steps.Count, Silu(x.GatheredFrom!), rows);
        var y = Temporary(x.Shape, "silu");
        Record(nameof(IKernels.SiluForward), [x], [y], k => k.SiluForward(x.View, y.View), 4.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.SiluBackward), [x, dy], [dx], k => k.SiluBackward(x.View, dy.View, dx.View, accumulate), 8.0 * x.Count);
        });
        return y;
    }
}
