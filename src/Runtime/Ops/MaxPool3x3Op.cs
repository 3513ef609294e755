using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// The maximum over 3 x 3 windows of stride 2 and padding 1: [N,H,W,C] to [N,(H+1)/2,(W+1)/2,C]. Among equal elements the first in row
    /// order gets the gradient.
    /// </summary>
    /// <exception cref="ArgumentException">x is not an image.</exception>
    public Tensor MaxPool3x3(Tensor x)
    {
        if (x.Shape.Rank != 4) throw new ArgumentException($"MaxPool3x3 takes images [N,H,W,C]; got {x}.");
        var shape = new Shape(x.Shape[0], (x.Shape[1] + 1) / 2, (x.Shape[2] + 1) / 2, x.Shape[3]);
        var y = Temporary(shape, "maximum");
        var taps = Temporary(shape, "maximum.taps");
        Record(nameof(IKernels.MaxPool3x3Forward), [x], [y, taps], k => k.MaxPool3x3Forward(x.View, y.View, taps.View), 9.0 * y.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.MaxPool3x3Backward), [dy, taps], [dx],
                k => k.MaxPool3x3Backward(dy.View, taps.View, dx.View, accumulate), 9.0 * y.Count);
        });
        return y;
    }
}
