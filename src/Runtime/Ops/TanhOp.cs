using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = tanh(x), element by element; see <see cref="IKernels.TanhForward"/>.</summary>
    public Tensor Tanh(Tensor x)
    {
        var y = Temporary(x.Shape, "tanh");
        Record(nameof(IKernels.TanhForward), [x], [y], k => k.TanhForward(x.View, y.View), 5.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.TanhBackward), [x, dy], [dx], k => k.TanhBackward(x.View, dy.View, dx.View, accumulate), 9.0 * x.Count);
        });
        return y;
    }
}
