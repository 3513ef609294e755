using ILGPU;

namespace NativeDiffusion.Kernels;

public sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GatherRows(TensorView x, TensorView sourceRow, TensorView y)
    {
        var kernel = new GatherRowsKernel { X = View(x), Y = View(y), SourceRow = Indices(sourceRow), Sources = x.Shape.Batch, Blocks = Blocks(y, x) };
        LaunchEach(kernel, kernel.Blocks.Count);
    }
}

internal struct GatherRowsKernel : IGpuKernel
{
    public ArrayView<float> X, Y;
    public ArrayView<int> SourceRow;
    public RowBlocks Blocks;
    public int Sources;

    public readonly void Run()
    {
        var to = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (to.Count <= 0) return;
        var from = to;
        from.Row = SourceRow[to.Row];
        from.At = (long)from.Row * Blocks.RowLength + 4 * from.Index;
        var value = LanesFour.Broadcast(float.NaN);
        if (from.Row >= 0 && from.Row < Sources) value = Blocks.Load(X, from);
        Blocks.Store(Y, to, value);
    }
}
