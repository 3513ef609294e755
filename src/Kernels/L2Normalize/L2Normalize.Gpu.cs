using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void L2NormalizeForward(TensorView x, TensorView y) => L2Normalize(x, default, y, false);

    /// <inheritdoc/>
    public void L2NormalizeBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) => L2Normalize(x, dy, dx, accumulate);

    private void L2Normalize(TensorView x, TensorView dy, TensorView to, bool accumulate)
    {
        var tile = RowTile.Of(x.Count / x.Shape.Channels, x.Shape.Channels);
        Launch(new L2NormalizeKernel
        {
            X = View(x), Dy = View(dy), To = View(to), Tile = tile, HasDy = dy.IsEmpty ? 0 : 1, Accumulate = accumulate ? 1 : 0,
        }, tile.Groups);
    }
}

/// <summary>y, or dx if there is a dy.</summary>
internal struct L2NormalizeKernel : IGpuKernel
{
    public ArrayView<float> X, Dy, To;
    public RowTile Tile;
    public int HasDy, Accumulate;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        long start = Tile.Row * Tile.Width;
        float squares = 0, product = 0;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            squares += X[start + i] * X[start + i];
            if (HasDy != 0) product += X[start + i] * Dy[start + i];
        }
        squares = Reduction.Sum(shared, squares, Tile.Lanes);
        product = Reduction.Sum(shared, product, Tile.Lanes);
        float inverse = 1f / MathF.Sqrt(squares), along = product / squares;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float value = HasDy != 0 ? (Dy[start + i] - X[start + i] * along) * inverse : X[start + i] * inverse;
            To[start + i] = Accumulate != 0 ? To[start + i] + value : value;
        }
    }
}
