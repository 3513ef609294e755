using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GatherRows(TensorView x, TensorView sourceRow, TensorView y)
    {
        CheckSourceRows(sourceRow, y.Shape.Batch, x.Shape);
        var job = new GatherRowsJob(x.Pointer, (int*)sourceRow.Pointer, y.Pointer, y.Shape.RowCount);
        Pool.Run(ref job, checked(y.Shape.Batch * Chunks(y.Shape.RowCount)));
    }

    /// <inheritdoc/>
    void IKernels.GatherRowsBackward(TensorView dy, TensorView sourceRow, TensorView dx, bool accumulate)
    {
        CheckSourceRows(sourceRow, dy.Shape.Batch, dx.Shape);
        var job = new GatherRowsGradientJob(dy.Pointer, (int*)sourceRow.Pointer, dy.Shape.Batch, dx.Pointer, dx.Shape.RowCount, accumulate);
        Pool.Run(ref job, checked(dx.Shape.Batch * Chunks(dx.Shape.RowCount)));
    }

    private static void CheckSourceRows(TensorView sourceRow, int count, Shape source)
    {
        int* rows = (int*)sourceRow.Pointer;
        for (int i = 0; i < count; i++)
            if ((uint)rows[i] >= (uint)source.Batch)
                throw new ArgumentException($"Row {i} is to be taken from row {rows[i]} of {source}.");
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

    /// <summary>A chunk of a row of dx, to which the rows gathered from it are added in their order.</summary>
    private readonly struct GatherRowsGradientJob(float* dy, int* sourceRow, int gathered, float* dx, long rowLength, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            RowChunk(item, rowLength, out int row, out long start, out int length);
            float* to = dx + row * rowLength + start;
            bool add = accumulate;
            for (int r = 0; r < gathered; r++)
            {
                if (sourceRow[r] != row) continue;
                float* from = dy + r * rowLength + start;
                if (!add) new ReadOnlySpan<float>(from, length).CopyTo(new Span<float>(to, length));
                else if (Avx512F.IsSupported) Add<Lanes512>(from, to, length);
                else if (Fma.IsSupported && Avx2.IsSupported) Add<Lanes256>(from, to, length);
                else Add<Lanes128>(from, to, length);
                add = true;
            }
            if (!add) new Span<float>(to, length).Clear();
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Add<V>(float* from, float* to, nint length)
            where V : unmanaged, ILanes<V>
        {
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count) V.Store(to + i, V.Load(to + i) + V.Load(from + i));
            for (; i < length; i++) to[i] += from[i];
        }
    }
}
