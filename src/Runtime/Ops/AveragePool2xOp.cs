using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>The mean over 2 x 2 positions: [N,2H,2W,C] to [N,H,W,C].</summary>
    /// <exception cref="ArgumentException">Not an image, or height or width is odd.</exception>
    public Tensor AveragePool2x(Tensor x)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] % 2 != 0 || x.Shape[2] % 2 != 0)
            throw new ArgumentException($"AveragePool2x takes an image [N,H,W,C] of even height and width; got {x}.");
        if (AreShared(out var rows, x)) return Share(_steps.Count, AveragePool2x(x.GatheredFrom!), rows);
        var y = Temporary(new Shape(x.Shape[0], x.Shape[1] / 2, x.Shape[2] / 2, x.Shape[3]), "pool");
        Record(nameof(IKernels.AveragePool2xForward), [x], [y], k => k.AveragePool2xForward(x.View, y.View), x.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.AveragePool2xBackward), [dy], [dx], k => k.AveragePool2xBackward(dy.View, dx.View, accumulate), y.Count);
        });
        return y;
    }
}
