using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>How a depthwise convolution walks over its image; the first number is that of rows, the second that of columns.</summary>
public sealed record DepthwiseConv2dOptions
{
    /// <summary>Steps between output pixels, at least 1.</summary>
    public (int Y, int X) Stride { get; init; } = (1, 1);

    /// <summary>Steps between taps, at least 1.</summary>
    public (int Y, int X) Dilation { get; init; } = (1, 1);

    /// <summary>Zero pixels above and to the left.</summary>
    public (int Y, int X) Padding { get; init; }

    /// <summary>Zero pixels below and to the right.</summary>
    public (int Y, int X) EndPadding { get; init; }
}

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Every channel convolved by a filter of its own (Howard et al. 2017, arXiv 1704.04861): [N,H,W,C] by a weight [Kh,Kw,C]. With one tap it is a scale and a shift
    /// for each channel.
    /// </summary>
    /// <param name="x">Images.</param>
    /// <param name="weight">[Kh,Kw,C].</param>
    /// <param name="bias">[C], or null.</param>
    /// <param name="options">Strides, dilation, padding.</param>
    /// <exception cref="ArgumentException">Shapes that do not fit; the message has them.</exception>
    public Tensor DepthwiseConv2d(Tensor x, Tensor weight, Tensor? bias = null, DepthwiseConv2dOptions? options = null)
    {
        options ??= new();
        if (x.Shape.Rank != 4 || weight.Shape.Rank != 3 || weight.Shape.Channels != x.Shape.Channels || (bias is not null && bias.Shape != new Shape(x.Shape.Channels)))
            throw new ArgumentException($"DepthwiseConv2d takes images [N,H,W,C], a weight [Kh,Kw,C] and a bias [C] or none; got {x}, {weight} and {bias}.");
        var (stride, dilation, padding, end) = (options.Stride, options.Dilation, options.Padding, options.EndPadding);
        if (Math.Min(Math.Min(stride.Y, stride.X), Math.Min(dilation.Y, dilation.X)) < 1 || Math.Min(Math.Min(padding.Y, padding.X), Math.Min(end.Y, end.X)) < 0)
            throw new ArgumentException($"DepthwiseConv2d of {x}: strides and dilations are at least 1, paddings at least 0; got {stride}, {dilation}, {padding} and {end}.");
        long height = (x.Shape[1] + (long)padding.Y + end.Y - ((long)weight.Shape[0] - 1) * dilation.Y - 1) / stride.Y + 1;
        long width = (x.Shape[2] + (long)padding.X + end.X - ((long)weight.Shape[1] - 1) * dilation.X - 1) / stride.X + 1;
        if (height < 1 || width < 1 || x.Shape[1] + (long)padding.Y + end.Y <= ((long)weight.Shape[0] - 1) * dilation.Y || x.Shape[2] + (long)padding.X + end.X <= ((long)weight.Shape[1] - 1) * dilation.X)
            throw new ArgumentException($"DepthwiseConv2d of {x} with {weight} and padding {padding} to {end} has no output.");
        var shape = new DepthwiseShape(x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3], weight.Shape[0], weight.Shape[1], checked((int)height), checked((int)width),
            stride.Y, stride.X, dilation.Y, dilation.X, padding.Y, padding.X);
        var y = Temporary(new Shape(shape.Batch, shape.OutHeight, shape.OutWidth, shape.Channels), "depthwise");
        Record(nameof(IKernels.DepthwiseConv2dForward), [x, weight, bias], [y],
            k => k.DepthwiseConv2dForward(shape, x.View, weight.View, bias?.View ?? default, y.View), shape.Flops);
        OnBackward([x, weight, bias], y, dy =>
        {
            if (NeedsGradient(weight))
            {
                var (dw, accumulate) = GradientTarget(weight);
                Record(nameof(IKernels.DepthwiseConv2dWeightGrad), [x, dy], [dw], k => k.DepthwiseConv2dWeightGrad(shape, x.View, dy.View, dw.View, accumulate), shape.Flops);
            }
            if (NeedsGradient(bias))
            {
                var (db, accumulate) = GradientTarget(bias!);
                Record(nameof(IKernels.Conv2dBiasGrad), [dy], [db], k => k.Conv2dBiasGrad(dy.View, db.View, accumulate), dy.Count);
            }
            if (NeedsGradient(x))
            {
                var (dx, accumulate) = GradientTarget(x);
                Record(nameof(IKernels.DepthwiseConv2dInputGrad), [dy, weight], [dx], k => k.DepthwiseConv2dInputGrad(shape, dy.View, weight.View, dx.View, accumulate), shape.Flops);
            }
        });
        return y;
    }
}
