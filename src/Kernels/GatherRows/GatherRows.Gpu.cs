using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GatherRows(TensorView x, TensorView sourceRow, TensorView y)
    {
        var kernel = new GatherRowsKernel { X = View(x), Y = View(y), SourceRow = Indices(sourceRow), Sources = x.Shape.Batch, Blocks = Blocks(y, x) };
        LaunchEach(kernel, kernel.Blocks.Count);
    }

    /// <inheritdoc/>
    public void GatherRowsBackward(TensorView dy, TensorView sourceRow, TensorView dx, bool accumulate)
    {
        var kernel = new GatherRowsGradientKernel
        {
            Dy = View(dy), Dx = View(dx), SourceRow = Indices(sourceRow), Gathered = dy.Shape.Batch, Blocks = Blocks(dx, dy), Accumulate = accumulate ? 1 : 0,
        };
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

/// <summary>Four elements of dx, to which the rows gathered from theirs are added in their order.</summary>
internal struct GatherRowsGradientKernel : IGpuKernel
{
    public ArrayView<float> Dy, Dx;
    public ArrayView<int> SourceRow;
    public RowBlocks Blocks;
    public int Gathered, Accumulate;

    public readonly void Run()
    {
        var to = Blocks.Of((long)Grid.IdxX * Group.DimX + Group.IdxX);
        if (to.Count <= 0) return;
        var from = to;
        var sum = LanesFour.Broadcast(0f);
        if (Accumulate != 0) sum = Blocks.Load(Dx, to);
        for (int r = 0; r < Gathered; r++)
        {
            if (SourceRow[r] != to.Row) continue;
            from.Row = r;
            from.At = (long)r * Blocks.RowLength + 4 * from.Index;
            sum += Blocks.Load(Dy, from);
        }
        Blocks.Store(Dx, to, sum);
    }
}
