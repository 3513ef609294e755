using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void ScaleRows(TensorView x, TensorView factor, TensorView y, bool accumulate) => LaunchEach(
        new ScaleRowsKernel { X = View(x), Factor = View(factor), Y = View(y), RowLength = x.Shape.RowCount, Accumulate = accumulate ? 1 : 0 }, y.Count);
}

internal struct ScaleRowsKernel : IGpuKernel
{
    public ArrayView<float> X, Factor, Y;
    public long RowLength;
    public int Accumulate;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Y.Length) return;
        float value = Factor[i / RowLength] * X[i];
        Y[i] = Accumulate != 0 ? Y[i] + value : value;
    }
}
