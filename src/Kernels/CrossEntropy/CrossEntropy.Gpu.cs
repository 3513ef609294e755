using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void CrossEntropyForward(TensorView logits, TensorView labels, TensorView loss)
    {
        var tile = RowTile.Of(logits.Shape.Batch, logits.Shape.Channels);
        var rowLoss = Scratch(0, tile.Rows);
        Launch(new CrossEntropyKernel { Logits = View(logits), Labels = Indices(labels), RowLoss = rowLoss, Tile = tile }, tile.Groups);
        MeanOfRows(rowLoss, default, loss);
    }

    /// <inheritdoc/>
    public void CrossEntropyBackward(TensorView logits, TensorView labels, TensorView dloss, TensorView dlogits, bool accumulate)
    {
        var kernel = new CrossEntropyGradientKernel
        {
            Logits = View(logits),
            Dloss = View(dloss),
            Dlogits = View(dlogits),
            Labels = Indices(labels),
            Tile = RowTile.Of(logits.Shape.Batch, logits.Shape.Channels),
            Accumulate = accumulate ? 1 : 0,
        };
        Launch(kernel, kernel.Tile.Groups);
    }
}

/// <summary>-log softmax(logits[n])[labels[n]] of each row.</summary>
internal struct CrossEntropyKernel : IGpuKernel
{
    public ArrayView<float> Logits, RowLoss;
    public ArrayView<int> Labels;
    public RowTile Tile;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        var norm = LogSumExp.Of(Logits, Tile, shared);
        if (Tile.Lane > 0 || Tile.Length == 0) return;
        RowLoss[Tile.Row] = norm.Max - Logits[Tile.Row * Tile.Width + Labels[Tile.Row]] + norm.LogSum;
    }
}

/// <summary>dlogits.</summary>
internal struct CrossEntropyGradientKernel : IGpuKernel
{
    public ArrayView<float> Logits, Dloss, Dlogits;
    public ArrayView<int> Labels;
    public RowTile Tile;
    public int Accumulate;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        var norm = LogSumExp.Of(Logits, Tile, shared);
        if (Tile.Length == 0) return;
        long start = Tile.Row * Tile.Width;
        int label = Labels[Tile.Row];
        float factor = Dloss[0] / Tile.Rows;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float share = LanesMath.Exp(new LanesScalar(Logits[start + i] - norm.Max - norm.LogSum)).Value;
            float value = factor * (i == label ? share - 1f : share);
            Dlogits[start + i] = Accumulate != 0 ? Dlogits[start + i] + value : value;
        }
    }
}
