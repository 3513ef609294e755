using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = max(x, 0), element by element.</summary>
    public Tensor Relu(Tensor x)
    {
        var y = Temporary(x.Shape, "relu");
        Record(nameof(IKernels.ReluForward), [x], [y], k => k.ReluForward(x.View, y.View), 1.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.ReluBackward), [x, dy], [dx], k => k.ReluBackward(x.View, dy.View, dx.View, accumulate), 1.0 * x.Count);
        });
        return y;
    }
}
