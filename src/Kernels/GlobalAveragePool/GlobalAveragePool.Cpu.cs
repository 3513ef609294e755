using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GlobalAveragePoolForward(TensorView x, TensorView y)
    {
        var job = new GlobalAverageJob(x.Pointer, y.Pointer, x.Shape);
        Pool.Run(ref job, x.Shape.Batch * job.Slabs);
    }

    /// <inheritdoc/>
    void IKernels.GlobalAveragePoolBackward(TensorView dy, TensorView dx, bool accumulate)
    {
        var job = new GlobalSpreadJob(dy.Pointer, dx.Pointer, dx.Shape, accumulate);
        Pool.Run(ref job, dx.Shape.Batch * job.Bands);
    }

    /// <summary>One row and a slab of channels: sums of 64 positions in float, those in double.</summary>
    private readonly struct GlobalAverageJob(float* x, float* y, Shape shape) : IWorkerJob
    {
        private const int SlabChannels = 64, Block = 64;

        public int Slabs => (shape.Channels + SlabChannels - 1) / SlabChannels;

        public void Execute(int item, int worker)
        {
            int row = item / Slabs, first = item % Slabs * SlabChannels, width = Math.Min(SlabChannels, shape.Channels - first);
            nint positions = (nint)(shape.RowCount / shape.Channels);
            float* from = x + row * positions * shape.Channels + first;
            double* total = stackalloc double[SlabChannels];
            new Span<double>(total, width).Clear();
            for (nint p = 0; p < positions; p += Block)
            {
                nint count = Math.Min(Block, positions - p);
                if (Avx512F.IsSupported) Add<Lanes512>(from + p * shape.Channels, count, shape.Channels, width, total);
                else if (Fma.IsSupported && Avx2.IsSupported) Add<Lanes256>(from + p * shape.Channels, count, shape.Channels, width, total);
                else Add<Lanes128>(from + p * shape.Channels, count, shape.Channels, width, total);
            }
            for (int c = 0; c < width; c++) y[(nint)row * shape.Channels + first + c] = (float)(total[c] / positions);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Add<V>(float* from, nint count, nint stride, nint width, double* total)
            where V : unmanaged, ILanes<V>
        {
            float* sums = stackalloc float[SlabChannels];
            new Span<float>(sums, SlabChannels).Clear();
            nint full = width - width % V.Count;
            for (nint p = 0; p < count; p++, from += stride)
            {
                for (nint c = 0; c < full; c += V.Count) V.Store(sums + c, V.Load(sums + c) + V.Load(from + c));
                for (nint c = full; c < width; c++) sums[c] += from[c];
            }
            for (nint c = 0; c < width; c++) total[c] += sums[c];
        }
    }

    private readonly struct GlobalSpreadJob(float* dy, float* dx, Shape shape, bool accumulate) : IWorkerJob
    {
        public int Bands => (int)((shape.RowCount / shape.Channels + BandLength - 1) / BandLength);

        private int BandLength => Math.Max(1, ChunkLength / shape.Channels);

        public void Execute(int item, int worker)
        {
            int row = item / Bands, first = item % Bands * BandLength, positions = (int)(shape.RowCount / shape.Channels);
            int count = Math.Min(BandLength, positions - first);
            float* from = dy + (nint)row * shape.Channels, to = dx + ((nint)row * positions + first) * shape.Channels;
            if (Avx512F.IsSupported) Run<Lanes512>(from, to, count, shape.Channels, 1f / positions);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(from, to, count, shape.Channels, 1f / positions);
            else Run<Lanes128>(from, to, count, shape.Channels, 1f / positions);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float* to, nint count, nint channels, float factor)
            where V : unmanaged, ILanes<V>
        {
            nint full = channels - channels % V.Count;
            V factors = V.Broadcast(factor);
            for (nint p = 0; p < count; p++, to += channels)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V value = factors * V.Load(from + c);
                    V.Store(to + c, accumulate ? V.Load(to + c) + value : value);
                }
                for (nint c = full; c < channels; c++) to[c] = accumulate ? to[c] + factor * from[c] : factor * from[c];
            }
        }
    }
}
