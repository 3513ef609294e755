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

    /// <summary>The gradient in front of a ReLU that an op applied last: the result is positive exactly where what it was taken of is.</summary>
    private Tensor RecordReluBackward(Tensor y, Tensor dy)
    {
        var dx = Temporary(y.Shape, "d_relu");
        Record(nameof(IKernels.ReluBackward), [y, dy], [dx], k => k.ReluBackward(y.View, dy.View, dx.View, accumulate: false), 1.0 * y.Count);
        return dx;
    }
}
