using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.RmsLimit(TensorView x, TensorView y)
    {
        var job = new RmsLimitJob(x.Pointer, y.Pointer, (nint)x.Shape.RowCount);
        Pool.Run(ref job, x.Shape.Batch);
    }

    private readonly struct RmsLimitJob(float* x, float* y, nint length) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* from = x + item * length, to = y + item * length;
            double meanSquare = SumOfSquares(from, length) / length;
            float limit = meanSquare > 1 ? (float)Math.Sqrt(meanSquare) : 1;
            if (Avx512F.IsSupported) Run<Lanes512>(from, limit, to);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(from, limit, to);
            else Run<Lanes128>(from, limit, to);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float limit, float* to)
            where V : unmanaged, ILanes<V>
        {
            V limits = V.Broadcast(limit);
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count) V.Store(to + i, V.Load(from + i) / limits);
            for (; i < length; i++) to[i] = from[i] / limit;
        }
    }
}
