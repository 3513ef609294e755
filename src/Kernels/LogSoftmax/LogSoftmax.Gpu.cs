using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void LogSoftmaxForward(TensorView x, TensorView y)
    {
        var tile = RowTile.Of(y.Count / y.Shape.Channels, y.Shape.Channels);
        Launch(new LogSoftmaxKernel { X = View(x), Y = View(y), Tile = tile }, tile.Groups);
    }

    /// <inheritdoc/>
    public void LogSoftmaxBackward(TensorView y, TensorView dy, TensorView dx, bool accumulate)
    {
        var tile = RowTile.Of(y.Count / y.Shape.Channels, y.Shape.Channels);
        Launch(new LogSoftmaxGradientKernel { Y = View(y), Dy = View(dy), Dx = View(dx), Tile = tile, Accumulate = accumulate ? 1 : 0 }, tile.Groups);
    }
}

/// <summary>Largest element of a row, and the logarithm of the sum of e^(x - largest).</summary>
internal struct LogSumExp
{
    public float Max, LogSum;

    /// <summary>Called by all threads together.</summary>
    public static LogSumExp Of(ArrayView<float> x, in RowTile tile, ArrayView<float> shared)
    {
        long start = tile.Row * tile.Width;
        float max = float.NegativeInfinity, sum = 0;
        for (int i = tile.Lane; i < tile.Length; i += tile.Lanes) max = ScalarMath.Max(max, x[start + i]);
        max = Reduction.Max(shared, max, tile.Lanes);
        for (int i = tile.Lane; i < tile.Length; i += tile.Lanes) sum += LanesMath.Exp(new LanesScalar(x[start + i] - max)).Value;
        sum = Reduction.Sum(shared, sum, tile.Lanes);
        return new LogSumExp { Max = max, LogSum = ScalarMath.Log(sum) };
    }
}

/// <summary>y.</summary>
internal struct LogSoftmaxKernel : IGpuKernel
{
    public ArrayView<float> X, Y;
    public RowTile Tile;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        var norm = LogSumExp.Of(X, Tile, shared);
        long start = Tile.Row * Tile.Width;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes) Y[start + i] = X[start + i] - norm.Max - norm.LogSum;
    }
}

/// <summary>dx.</summary>
internal struct LogSoftmaxGradientKernel : IGpuKernel
{
    public ArrayView<float> Y, Dy, Dx;
    public RowTile Tile;
    public int Accumulate;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        long start = Tile.Row * Tile.Width;
        float sum = 0;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes) sum += Dy[start + i];
        sum = Reduction.Sum(shared, sum, Tile.Lanes);
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float value = Dy[start + i] - sum * LanesMath.Exp(new LanesScalar(Y[start + i])).Value;
            Dx[start + i] = Accumulate != 0 ? Dx[start + i] + value : value;
        }
    }
}
