using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void GatherScale(TensorView z, TensorView sourceRow, float scale, TensorView y)
    {
        int* rows = (int*)sourceRow.Pointer;
        for (int i = 0; i < y.Shape.Batch; i++)
            if ((uint)rows[i] >= (uint)z.Shape.Batch)
                throw new ArgumentException($"Row {i} is to be taken from row {rows[i]} of {z.Shape}.");
        var job = new GatherScaleJob(z.Pointer, rows, scale, y.Pointer, y.Shape.RowCount);
        Pool.Run(ref job, checked(y.Shape.Batch * Chunks(y.Shape.RowCount)));
    }

    private readonly struct GatherScaleJob(float* z, int* sourceRow, float scale, float* y, long rowLength) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            RowChunk(item, rowLength, out int row, out long start, out int length);
            float* from = z + sourceRow[row] * rowLength + start, to = y + row * rowLength + start;
            if (Avx512F.IsSupported) ScaleRow<Lanes512>(from, to, length, scale);
            else if (Fma.IsSupported && Avx2.IsSupported) ScaleRow<Lanes256>(from, to, length, scale);
            else ScaleRow<Lanes128>(from, to, length, scale);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScaleRow<V>(float* from, float* to, int count, float scale)
        where V : unmanaged, ILanes<V>
    {
        nint i = 0;
        V factor = V.Broadcast(scale);
        for (; i <= count - V.Count; i += V.Count) V.Store(to + i, factor * V.Load(from + i));
        int rest = (int)(count - i);
        if (rest > 0) V.StorePartial(to + i, factor * V.LoadPartial(from + i, rest), rest);
    }
}
