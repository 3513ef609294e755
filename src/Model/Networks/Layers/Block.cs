using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>What the blocks of one recording share.</summary>
/// <param name="Builder">The plan.</param>
/// <param name="Embedding">The embedding of time and condition after its SiLU, [N, E]; null where the blocks take none.</param>
/// <param name="Dropout">Where dropout takes its random numbers from; null where there is none.</param>
/// <param name="Perturbation">Blocks that some rows are to do without; null for none.</param>
internal sealed record BlockContext(
    PlanBuilder Builder, Tensor? Embedding = null, DropoutSource? Dropout = null, BlockPerturbation? Perturbation = null)
{
    /// <summary>The same for the first rows of the batch alone.</summary>
    public BlockContext OfRows(int count) => Embedding is null ? this : this with { Embedding = Builder.Rows(Embedding, 0, count) };
}

/// <summary>A stage of a convolutional network: one tensor in, one tensor out.</summary>
/// <param name="name">Key prefix of its parameters, and its name in descriptions of plans.</param>
internal abstract class Block(string name)
{
    public string Name { get; } = name;

    /// <summary>Channels of the result.</summary>
    public abstract int Width { get; }

    public abstract void Declare(Parameters parameters);

    public Tensor Record(BlockContext context, Tensor x)
    {
        context.Builder.Scope = Name;
        var y = context.Perturbation is { } perturbation && perturbation.Is(PerturbationKind.SkippedBlock, this)
            ? perturbation.Split(context.Builder, x, rows => RecordBlock(context.OfRows(rows.Shape.Batch), rows), rows => rows)
            : RecordBlock(context, x);
        context.Builder.Scope = "";
        return y;
    }

    protected abstract Tensor RecordBlock(BlockContext context, Tensor x);
}
