using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = x / |x| with the Euclidean norm over the last dimension; see <see cref="IKernels.L2NormalizeForward"/>.</summary>
    /// <exception cref="ArgumentException">x is a scalar.</exception>
    public Tensor L2Normalize(Tensor x)
    {
        if (x.Shape.Rank == 0) throw new ArgumentException($"L2Normalize takes rows [...,C]; got {x}.");
        var y = Temporary(x.Shape, "normalized");
        Record(nameof(IKernels.L2NormalizeForward), [x], [y], k => k.L2NormalizeForward(x.View, y.View), 3.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.L2NormalizeBackward), [x, dy], [dx], k => k.L2NormalizeBackward(x.View, dy.View, dx.View, accumulate), 7.0 * x.Count);
        });
        return y;
    }
}
