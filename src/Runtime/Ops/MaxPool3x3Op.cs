using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// The maximum over 3 x 3 windows of stride s that reach p pixels beyond the image: [N,H,W,C] to [N,(H+2p-3)/s+1,(W+2p-3)/s+1,C]. Among equal
    /// elements the first in row order gets the gradient.
    /// </summary>
    /// <param name="x">The image.</param>
    /// <param name="stride">1 or 2.</param>
    /// <param name="padding">0 or 1.</param>
    /// <exception cref="ArgumentException">x is not an image or smaller than a window, or stride or padding is out of range.</exception>
    public Tensor MaxPool3x3(Tensor x, int stride = 2, int padding = 1)
    {
        if (stride is < 1 or > 2 || padding is < 0 or > 1) throw new ArgumentException($"MaxPool3x3 takes a stride of 1 or 2 and a padding of 0 or 1; got {stride} and {padding}.");
        if (x.Shape.Rank != 4 || Math.Min(x.Shape[1], x.Shape[2]) < 3 - 2 * padding)
            throw new ArgumentException($"MaxPool3x3 of padding {padding} takes images [N,H,W,C] of at least {3 - 2 * padding} pixels a side; got {x}.");
        var shape = new Shape(x.Shape[0], (x.Shape[1] + 2 * padding - 3) / stride + 1, (x.Shape[2] + 2 * padding - 3) / stride + 1, x.Shape[3]);
        var y = Temporary(shape, "maximum");
        var taps = Temporary(shape, "maximum.taps");
        Record(nameof(IKernels.MaxPool3x3Forward), [x], [y, taps], k => k.MaxPool3x3Forward(x.View, stride, padding, y.View, taps.View), 9.0 * y.Count);
        OnBackward([x], y, dy =>
        {
            var (dx, accumulate) = GradientTarget(x);
            Record(nameof(IKernels.MaxPool3x3Backward), [dy, taps], [dx],
                k => k.MaxPool3x3Backward(dy.View, taps.View, stride, padding, dx.View, accumulate), 9.0 * y.Count);
        });
        return y;
    }
}
