using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>What a block does to the resolution. A filter, along either axis and of sum 1, makes every pixel of a smaller or larger image; without one it is the mean of 2 x 2 pixels, or every pixel 2 x 2 times.</summary>
internal enum Resampling
{
    None,
    Down,
    Up,
}

internal static class ResamplingRecord
{
    public static Tensor Record(this Resampling resampling, PlanBuilder b, Tensor x, double[]? filter = null) => resampling switch
    {
        Resampling.None => x,
        Resampling.Down => filter is null ? b.AveragePool2x(x) : Smaller(b, x, filter, (filter.Length - 1) / 2),
        _ => filter is null ? b.UpsampleNearest2x(x) : Resized(b, x, size => Table(2 * size, [.. filter.Select(tap => 2 * tap)], (filter.Length - 1) / 2).Transposed),
    };

    /// <summary>Every second pixel of the filtered image, which has a number of zero pixels around it.</summary>
    public static Tensor Smaller(PlanBuilder b, Tensor x, double[] filter, int padding) => Resized(b, x, size => Table(size, filter, padding));

    private static ResampleTable Table(int size, double[] filter, int padding) => ResampleTable.EverySecond(size, filter, padding);

    private static Tensor Resized(PlanBuilder b, Tensor x, Func<int, ResampleTable> table) => b.Resize(x, table(x.Shape[1]), table(x.Shape[2]));
}

/// <summary>A convolution as a block: the first one of a network, or one that follows or does the resampling.</summary>
internal sealed class ConvBlock(string name, ConvLayer layer, Resampling before = Resampling.None) : Block(name)
{
    public override int Width => layer.To;

    public override void Declare(Parameters parameters) => layer.Declare(parameters);

    protected override Tensor RecordBlock(BlockContext context, Tensor x) => layer.Record(context.Builder, before.Record(context.Builder, x));
}

/// <summary>Resampling without parameters.</summary>
internal sealed class ResampleBlock(string name, int width, Resampling resampling) : Block(name)
{
    public override int Width => width;

    public override void Declare(Parameters parameters) { }

    protected override Tensor RecordBlock(BlockContext context, Tensor x) => resampling.Record(context.Builder, x);
}
