using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>y = min(max(x, low), high), element by element. Beyond the bounds nothing is differentiated; at them the gradient is that inside.</summary>
    /// <exception cref="ArgumentException">low is not below high.</exception>
    public Tensor Clamp(Tensor x, float low, float high)
    {
        if (!(low < high)) throw new ArgumentException($"Clamp takes a lower bound below the upper one; got {low} and {high} for {x}.");
        if (AreShared(out var rows, x)) return Share(_steps.Count, Clamp(x.GatheredFrom!, low, high), rows);
        var y = Temporary(x.Shape, "clamped");
        Record(nameof(IKernels.ClampForward), [x], [y], k => k.ClampForward(x.View, low, high, y.View), 2.0 * x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.ClampBackward), [x, dy], [dx], k => k.ClampBackward(x.View, dy.View, low, high, dx.View, accumulate), 2.0 * x.Count);
        });
        return y;
    }
}
