namespace NativeDiffusion.Kernels;

/// <summary>The random numbers of four neighbouring elements of a sample, which share a block of Philox: what one GPU thread makes.</summary>
internal static class PhiloxFour
{
    /// <summary><see cref="Philox.Normal"/> of elements 4 block to 4 block + 3.</summary>
    public static LanesFour Normal(RandomKey key, uint sample, uint block) => Transform<PhiloxLanes.BoxMuller>(key, sample, block);

    /// <summary><see cref="Philox.UnitInterval"/> of the words of elements 4 block to 4 block + 3.</summary>
    public static LanesFour Uniform(RandomKey key, uint sample, uint block) => Transform<PhiloxLanes.Identity>(key, sample, block);

    private static LanesFour Transform<TTransform>(RandomKey key, uint sample, uint block)
        where TTransform : unmanaged, PhiloxLanes.ITransform
    {
        var (w0, w1, w2, w3) = Philox.Block(key.Seed, block, sample, key.Step, key.Stream);
        TTransform.Invoke(new WordsScalar(w0), new WordsScalar(w1), out LanesScalar x, out LanesScalar y);
        TTransform.Invoke(new WordsScalar(w2), new WordsScalar(w3), out LanesScalar z, out LanesScalar w);
        return new(x.Value, y.Value, z.Value, w.Value);
    }
}

/// <summary>Rows of a tensor in blocks of four elements, one for each thread; a row's last block may be part of one.</summary>
internal struct RowBlocks
{
    public int RowLength, PerRow, Count, Vectors;

    /// <summary>Which block a thread takes; <see cref="RowBlock.Count"/> is 0 for one that has none.</summary>
    public readonly RowBlock Of(long thread)
    {
        var block = default(RowBlock);
        if (thread >= Count) return block;
        block.Row = (int)thread / PerRow;
        block.Index = (int)thread - block.Row * PerRow;
        block.Count = RowLength - 4 * block.Index;
        block.At = (long)block.Row * RowLength + 4 * block.Index;
        return block;
    }

    public readonly LanesFour Load(ILGPU.ArrayView<float> values, RowBlock block) => new(GpuLoad.Four(values, block.At, block.Count, Vectors));

    public readonly void Store(ILGPU.ArrayView<float> values, RowBlock block, LanesFour source) =>
        GpuLoad.Store(values, block.At, block.Count, Vectors, source.Values);
}

/// <summary>Block <see cref="Index"/> of row <see cref="Row"/>, at element <see cref="At"/> of the tensor, with <see cref="Count"/> or at most four elements.</summary>
internal struct RowBlock
{
    public int Row, Index, Count;
    public long At;
}

internal sealed partial class GpuKernels
{
    /// <summary>The blocks of tensors that are all shaped as the first.</summary>
    private static RowBlocks Blocks(params ReadOnlySpan<TensorView> tensors)
    {
        int rowLength = checked((int)tensors[0].Shape.RowCount), perRow = (int)((rowLength + 3L) / 4);
        return new()
        {
            RowLength = rowLength, PerRow = perRow, Count = checked(tensors[0].Shape.Batch * perRow), Vectors = InVectors(rowLength, tensors),
        };
    }
}
