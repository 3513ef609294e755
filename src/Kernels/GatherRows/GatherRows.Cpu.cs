namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void GatherRows(TensorView x, TensorView sourceRow, TensorView y)
    {
        int* rows = (int*)sourceRow.Pointer;
        for (int i = 0; i < y.Shape.Batch; i++)
            if ((uint)rows[i] >= (uint)x.Shape.Batch)
                throw new ArgumentException($"Row {i} is to be taken from row {rows[i]} of {x.Shape}.");
        var job = new GatherRowsJob(x.Pointer, rows, y.Pointer, y.Shape.RowCount);
        Pool.Run(ref job, checked(y.Shape.Batch * Chunks(y.Shape.RowCount)));
    }

    private readonly struct GatherRowsJob(float* x, int* sourceRow, float* y, long rowLength) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            RowChunk(item, rowLength, out int row, out long start, out int length);
            long bytes = (long)length * sizeof(float);
            Buffer.MemoryCopy(x + sourceRow[row] * rowLength + start, y + row * rowLength + start, bytes, bytes);
        }
    }
}
