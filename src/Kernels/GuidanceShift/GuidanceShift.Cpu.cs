using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GuidanceShift(TensorView gradient, TensorView reference, TensorView weight, TensorView shift, bool accumulate)
    {
        var job = new GuidanceShiftJob(gradient.Pointer, reference.Pointer, weight.Pointer, shift.Pointer, (nint)gradient.Shape.RowCount, accumulate);
        Pool.Run(ref job, gradient.Shape.Batch);
    }

    private readonly struct GuidanceShiftJob(float* gradient, float* reference, float* weight, float* shift, nint length, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            nint start = item * length;
            double factor = weight[item];
            if (reference != null)
            {
                double size = SumOfSquares(gradient + start, length);
                factor = size == 0 ? 0 : factor * Math.Sqrt(SumOfSquares(reference + start, length) / size);
            }
            if (Avx512F.IsSupported) Run<Lanes512>(gradient + start, (float)factor, shift + start);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(gradient + start, (float)factor, shift + start);
            else Run<Lanes128>(gradient + start, (float)factor, shift + start);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float factor, float* to)
            where V : unmanaged, ILanes<V>
        {
            V factors = V.Broadcast(factor);
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count)
            {
                V value = factors * V.Load(from + i);
                V.Store(to + i, accumulate ? V.Load(to + i) + value : value);
            }
            for (; i < length; i++) to[i] = accumulate ? to[i] + factor * from[i] : factor * from[i];
        }
    }
}
