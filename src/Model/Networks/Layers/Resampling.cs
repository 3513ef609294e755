using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>What a block does to the resolution.</summary>
internal enum Resampling
{
    None,

    /// <summary>The mean of 2 x 2 pixels.</summary>
    Down,

    /// <summary>Every pixel 2 x 2 times.</summary>
    Up,
}

internal static class ResamplingRecord
{
    public static Tensor Record(this Resampling resampling, PlanBuilder b, Tensor x) => resampling switch
    {
        Resampling.Down => b.AveragePool2x(x),
        Resampling.Up => b.UpsampleNearest2x(x),
        _ => x,
    };
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
