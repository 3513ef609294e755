using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x sigmoid(1.702 x), element by element; see <see cref="IKernels.QuickGeluForward"/>.</summary>
    public Tensor QuickGelu(Tensor x)
    {
        var y = Temporary(x.Shape, "quickGelu");
        Record(nameof(IKernels.QuickGeluForward), [x], [y], k => k.QuickGeluForward(x.View, y.View), 5.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.QuickGeluBackward), [x, dy], [dx], k => k.QuickGeluBackward(x.View, dy.View, dx.View, accumulate), 9.0 * x.Count);
        });
        return y;
    }
}
