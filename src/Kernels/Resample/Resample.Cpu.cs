using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.Resample(TensorView x, int axis, ResampleTable table, TensorView y, bool accumulate)
    {
        long outer = 1, inner = 1;
        for (int i = 0; i < axis; i++) outer *= x.Shape[i];
        for (int i = axis + 1; i < x.Shape.Rank; i++) inner *= x.Shape[i];
        fixed (int* first = table.First)
        fixed (float* weights = table.Weights)
        {
            var job = new ResampleJob(x.Pointer, first, weights, table.Inputs, table.Outputs, table.Taps, (nint)inner, y.Pointer, accumulate);
            Pool.Run(ref job, checked((int)(outer * job.Slabs)));
        }
    }

    /// <summary>All outputs along the axis for a few neighbouring elements beside it.</summary>
    private readonly struct ResampleJob(
        float* x, int* first, float* weights, nint inputs, nint outputs, int taps, nint inner, float* y, bool accumulate) : IWorkerJob
    {
        private const int SlabWidth = 256;

        public long Slabs => (inner + SlabWidth - 1) / SlabWidth;

        public void Execute(int item, int worker)
        {
            nint start = (nint)(item % Slabs) * SlabWidth, outer = (nint)(item / Slabs);
            int width = (int)Math.Min(SlabWidth, inner - start);
            float* from = x + outer * inputs * inner + start, to = y + outer * outputs * inner + start;
            for (nint i = 0; i < outputs; i++, to += inner)
            {
                float* source = from + first[i] * inner, weight = weights + i * taps;
                if (Avx512F.IsSupported) Sum<Lanes512>(source, weight, to, width);
                else if (Fma.IsSupported && Avx2.IsSupported) Sum<Lanes256>(source, weight, to, width);
                else Sum<Lanes128>(source, weight, to, width);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Sum<V>(float* source, float* weight, float* to, int width)
            where V : unmanaged, ILanes<V>
        {
            int c = 0;
            for (; c <= width - V.Count; c += V.Count)
            {
                V sum = V.Zero;
                float* from = source + c;
                for (int t = 0; t < taps; t++, from += inner) sum = V.MultiplyAdd(V.Broadcast(weight[t]), V.Load(from), sum);
                V.Store(to + c, accumulate ? V.Load(to + c) + sum : sum);
            }
            for (; c < width; c++)
            {
                float sum = 0;
                float* from = source + c;
                for (int t = 0; t < taps; t++, from += inner) sum += weight[t] * *from;
                to[c] = accumulate ? to[c] + sum : sum;
            }
        }
    }
}
