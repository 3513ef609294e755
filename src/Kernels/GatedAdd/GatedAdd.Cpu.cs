using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GatedAddForward(TensorView x, TensorView gate, TensorView h, TensorView y)
    {
        int channels = x.Shape.Channels;
        var job = new GatedAddJob(x.Pointer, gate.Pointer, h.Pointer, y.Pointer, x.Count / channels, x.Shape.RowCount / channels, channels);
        Pool.Run(ref job, RowItems(x));
    }

    /// <inheritdoc/>
    void IKernels.GatedAddBackward(TensorView gate, TensorView h, TensorView dy, TensorView dh, bool accumulateDh, TensorView dgate, bool accumulateDgate)
    {
        int channels = dy.Shape.Channels;
        var job = new GatedAddGradientJob(
            gate.Pointer, h.Pointer, dy.Pointer, dh.Pointer, accumulateDh, dgate.Pointer, accumulateDgate, (nint)(dy.Shape.RowCount / channels), channels);
        Pool.Run(ref job, dy.Shape.Batch * job.Slabs);
    }

    private readonly struct GatedAddJob(float* x, float* gate, float* h, float* y, long rows, long rowsPerGate, int width) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                nint start = (nint)row * width;
                float* gates = gate + (nint)(row / rowsPerGate) * width;
                if (Avx512F.IsSupported) Run<Lanes512>(start, gates);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(start, gates);
                else Run<Lanes128>(start, gates);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint start, float* gates)
            where V : unmanaged, ILanes<V>
        {
            nint full = width - width % V.Count;
            for (nint c = 0; c < full; c += V.Count)
                V.Store(y + start + c, V.MultiplyAdd(V.Load(gates + c), V.Load(h + start + c), V.Load(x + start + c)));
            int rest = (int)(width - full);
            if (rest == 0) return;
            start += full;
            V tail = V.MultiplyAdd(V.LoadPartial(gates + full, rest), V.LoadPartial(h + start, rest), V.LoadPartial(x + start, rest));
            V.StorePartial(y + start, tail, rest);
        }
    }

    /// <summary>A few neighbouring channels of one batch row, so that the sums over its positions stay in registers.</summary>
    private readonly struct GatedAddGradientJob(
        float* gate, float* h, float* dy, float* dh, bool accumulateDh, float* dgate, bool accumulateDgate, nint positions, int width) : IWorkerJob
    {
        private const int SlabVectors = 4;

        public int Slabs => (width + SlabVectors * LaneCount - 1) / (SlabVectors * LaneCount);

        public void Execute(int item, int worker)
        {
            if (LaneCount == 16) Run<Lanes512>(item / Slabs, item % Slabs);
            else if (LaneCount == 8) Run<Lanes256>(item / Slabs, item % Slabs);
            else Run<Lanes128>(item / Slabs, item % Slabs);
        }

        private void Run<V>(nint row, int slab)
            where V : unmanaged, ILanes<V>
        {
            nint first = slab * SlabVectors * V.Count, end = Math.Min(width, first + SlabVectors * V.Count);
            if (end - first == SlabVectors * V.Count) Whole<V>(row * positions * width + first, row * width + first);
            else
                for (nint c = first; c < end; c++) Single(row * positions * width + c, row * width + c);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Whole<V>(nint at, nint channel)
            where V : unmanaged, ILanes<V>
        {
            float* gates = gate + channel;
            V g0 = V.Load(gates), g1 = V.Load(gates + V.Count), g2 = V.Load(gates + 2 * V.Count), g3 = V.Load(gates + 3 * V.Count);
            V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
            float* gradient = dy + at, branch = h + at, to = dh + at;
            for (nint p = positions; p > 0; p--, gradient += width, branch += width, to += width)
            {
                V d0 = V.Load(gradient), d1 = V.Load(gradient + V.Count), d2 = V.Load(gradient + 2 * V.Count), d3 = V.Load(gradient + 3 * V.Count);
                s0 = V.MultiplyAdd(d0, V.Load(branch), s0);
                s1 = V.MultiplyAdd(d1, V.Load(branch + V.Count), s1);
                s2 = V.MultiplyAdd(d2, V.Load(branch + 2 * V.Count), s2);
                s3 = V.MultiplyAdd(d3, V.Load(branch + 3 * V.Count), s3);
                if (dh == null) continue;
                Store(to, d0 * g0, accumulateDh);
                Store(to + V.Count, d1 * g1, accumulateDh);
                Store(to + 2 * V.Count, d2 * g2, accumulateDh);
                Store(to + 3 * V.Count, d3 * g3, accumulateDh);
            }
            if (dgate == null) return;
            Store(dgate + channel, s0, accumulateDgate);
            Store(dgate + channel + V.Count, s1, accumulateDgate);
            Store(dgate + channel + 2 * V.Count, s2, accumulateDgate);
            Store(dgate + channel + 3 * V.Count, s3, accumulateDgate);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Store<V>(float* to, V value, bool accumulate)
            where V : unmanaged, ILanes<V> => V.Store(to, accumulate ? V.Load(to) + value : value);

        private void Single(nint at, nint channel)
        {
            float sum = 0;
            for (nint i = at, p = positions; p > 0; p--, i += width)
            {
                sum += dy[i] * h[i];
                if (dh != null) dh[i] = accumulateDh ? dh[i] + dy[i] * gate[channel] : dy[i] * gate[channel];
            }
            if (dgate != null) dgate[channel] = accumulateDgate ? dgate[channel] + sum : sum;
        }
    }
}
