using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void SelectRows(TensorView select, TensorView a, TensorView b, TensorView y) => LaunchEach(
        new SelectRowsKernel { Select = Indices(select), A = View(a), B = View(b), Y = View(y), RowLength = y.Shape.RowCount }, y.Count);
}

internal struct SelectRowsKernel : IGpuKernel
{
    public ArrayView<int> Select;
    public ArrayView<float> A, B, Y;
    public long RowLength;

    public readonly void Run()
    {
        long i = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (i >= Y.Length) return;
        float value = B[i];
        if (Select[i / RowLength] != 0) value = A[i];
        Y[i] = value;
    }
}
