using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Channels <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> - 1 of x.</summary>
    /// <exception cref="ArgumentException">x does not have them.</exception>
    public Tensor Slice(Tensor x, int start, int count)
    {
        if (x.Shape.Rank == 0 || start < 0 || count < 1 || start > x.Shape.Channels - count)
            throw new ArgumentException($"Slice takes channels {start} to {start + count - 1} of {x}, which it does not have.");
        var y = Temporary(x.Shape.WithChannels(count), "slice");
        Record(nameof(IKernels.SliceForward), [x], [y], k => k.SliceForward(x.View, start, y.View));
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.SliceBackward), [dy], [dx], k => k.SliceBackward(dy.View, start, dx.View, accumulate));
        });
        return y;
    }
}
