using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x - log(sum of e^x) over the last dimension: log-probabilities from logits.</summary>
    /// <exception cref="ArgumentException">x is a scalar.</exception>
    public Tensor LogSoftmax(Tensor x)
    {
        if (x.Shape.Rank == 0) throw new ArgumentException($"LogSoftmax takes logits [...,K]; got {x}.");
        var y = Temporary(x.Shape, "logSoftmax");
        Record(nameof(IKernels.LogSoftmaxForward), [x], [y], k => k.LogSoftmaxForward(x.View, y.View), 4.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.LogSoftmaxBackward), [y, dy], [dx],
                k => k.LogSoftmaxBackward(y.View, dy.View, dx.View, accumulate), 4.0 * x.Count);
        });
        return y;
    }
}
