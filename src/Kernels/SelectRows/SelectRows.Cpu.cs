namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.SelectRows(TensorView select, TensorView a, TensorView b, TensorView y)
    {
        var job = new SelectRowsJob((int*)select.Pointer, a.Pointer, b.Pointer, y.Pointer, y.Shape.RowCount);
        Pool.Run(ref job, checked(y.Shape.Batch * Chunks(y.Shape.RowCount)));
    }

    private readonly struct SelectRowsJob(int* select, float* a, float* b, float* y, long rowLength) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            RowChunk(item, rowLength, out int row, out long start, out int length);
            long at = row * rowLength + start, bytes = (long)length * sizeof(float);
            Buffer.MemoryCopy((select[row] != 0 ? a : b) + at, y + at, bytes, bytes);
        }
    }
}
