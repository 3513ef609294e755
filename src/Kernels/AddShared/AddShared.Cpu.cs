using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.AddShared(TensorView x, TensorView shared, TensorView y)
    {
        for (int n = 0; n < x.Shape.Batch; n++) Map(default(AddFormula), x.Rows(n, 1), shared, y.Rows(n, 1));
    }

    /// <inheritdoc/>
    void IKernels.BatchSum(TensorView x, TensorView y, bool accumulate)
    {
        var job = new BatchSumJob(x.Pointer, x.Shape.Batch, (nint)y.Count, y.Pointer, accumulate);
        Pool.Run(ref job, Chunks(y.Count));
    }

    private readonly struct BatchSumJob(float* x, int rows, nint length, float* y, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            nint start = (nint)item * ChunkLength, end = Math.Min(length, start + ChunkLength);
            if (Avx512F.IsSupported) Run<Lanes512>(start, end);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(start, end);
            else Run<Lanes128>(start, end);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint start, nint end)
            where V : unmanaged, ILanes<V>
        {
            for (nint i = start; i < end; i += V.Count)
            {
                int live = (int)Math.Min(V.Count, end - i);
                V sum = V.Zero;
                float* from = x + i;
                for (int n = 0; n < rows; n++, from += length) sum += live == V.Count ? V.Load(from) : V.LoadPartial(from, live);
                if (accumulate) sum += V.LoadPartial(y + i, live);
                V.StorePartial(y + i, sum, live);
            }
        }
    }
}
