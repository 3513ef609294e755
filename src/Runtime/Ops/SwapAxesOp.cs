using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The two axes in the middle change places: [A,B,C,D] to [A,C,B,D]. With <see cref="Reshape"/> around it, every order of axes is a few such steps.</summary>
    /// <exception cref="ArgumentException">x has another number of axes.</exception>
    public Tensor SwapAxes(Tensor x)
    {
        if (x.Shape.Rank != 4) throw new ArgumentException($"SwapAxes takes [A,B,C,D]; got {x}.");
        var y = Temporary(new Shape(x.Shape[0], x.Shape[2], x.Shape[1], x.Shape[3]), "swapped");
        Record(nameof(IKernels.SwapAxes), [x], [y], k => k.SwapAxes(x.View, y.View, accumulate: false));
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.SwapAxes), [dy], [dx], k => k.SwapAxes(dy.View, dx.View, accumulate));
        });
        return y;
    }
}
