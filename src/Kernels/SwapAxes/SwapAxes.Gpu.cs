using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void SwapAxes(TensorView x, TensorView y, bool accumulate) => LaunchEach(new SwapAxesKernel
    {
        X = View(x), Y = View(y), Rows = x.Shape[1], Columns = x.Shape[2], Width = x.Shape[3], Accumulate = accumulate ? 1 : 0,
    }, y.Count);
}

/// <summary>One element of the result.</summary>
internal struct SwapAxesKernel : IGpuKernel
{
    public ArrayView<float> X, Y;
    public int Rows, Columns, Width, Accumulate;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Y.Length) return;
        long vector = at / Width, line = vector / Rows, plane = line / Columns;
        long from = ((plane * Rows + (vector - line * Rows)) * Columns + (line - plane * Columns)) * Width + (at - vector * Width);
        Y[at] = Accumulate != 0 ? Y[at] + X[from] : X[from];
    }
}
