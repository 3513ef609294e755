using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The tanh form of GELU, element by element; see <see cref="IKernels.GeluForward"/>.</summary>
    public Tensor Gelu(Tensor x)
    {
        var y = Temporary(x.Shape, "gelu");
        Record(nameof(IKernels.GeluForward), [x], [y], k => k.GeluForward(x.View, y.View), 8.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.GeluBackward), [x, dy], [dx], k => k.GeluBackward(x.View, dy.View, dx.View, accumulate), 12.0 * x.Count);
        });
        return y;
    }
}
