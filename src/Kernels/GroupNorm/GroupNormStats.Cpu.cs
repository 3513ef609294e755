using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GroupNormStats(TensorView x, int groups, double epsilon, TensorView mean, TensorView rstd)
    {
        var units = new GroupNormUnits(x.Shape, groups);
        // A unit's channel sums take the front of its worker's scratch; the results of all units stand behind, in the first worker's.
        long front = 3L * units.SlabStride;
        EnsureScratch(front + 4L * units.Rows * units.Bands * groups);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        double* partials = (double*)(Scratch(0) + front);
        var job = new GroupNormStatsJob(units, x.Pointer, partials, scratch);
        Pool.Run(ref job, units.Items);
        var combine = new GroupNormCombineStatsJob(units, epsilon, partials, mean.Pointer, rstd.Pointer);
        Pool.Run(ref combine, (units.Rows + GroupNormCombineStatsJob.RowsPerItem - 1) / GroupNormCombineStatsJob.RowsPerItem);
    }

    /// <summary>
    /// Mean and squared deviation of every group in a band, in one pass over memory: sums of d and d * d with d = x minus an origin, the
    /// channel's average over four positions of the band. An average of four samples of n lies within sqrt(n / 4) deviations of the mean,
    /// so the subtraction of the squares loses at most a factor of n / 4 (n is 256 or less), whatever the mean; on usual data it loses
    /// nothing.
    /// </summary>
    private readonly struct GroupNormStatsJob(GroupNormUnits units, float* x, double* partials, float** scratch) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            float* origin = scratch[worker], sums = origin + units.SlabStride, squares = sums + units.SlabStride;
            for (long index = units.FirstUnit(item); index < units.EndUnit(item); index++)
            {
                var unit = units[index];
                float* from = x + units.Offset(unit);
                new Span<float>(sums, units.SlabStride).Clear();
                new Span<float>(squares, units.SlabStride).Clear();
                if (Avx512F.IsSupported) Sum<Lanes512>(unit, from, origin, sums, squares);
                else if (Fma.IsSupported && Avx2.IsSupported) Sum<Lanes256>(unit, from, origin, sums, squares);
                else Sum<Lanes128>(unit, from, origin, sums, squares);
                Combine(unit, origin, sums, squares);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Sum<V>(GroupNormUnits.Unit unit, float* from, float* origin, float* sums, float* squares)
            where V : unmanaged, ILanes<V>
        {
            nint stride = units.Channels, width = unit.Channels, full = width - width % V.Count;
            int rest = (int)(width - full), p = 0;
            float* p0 = from + (nint)(unit.Positions / 8) * stride, p1 = from + (nint)(unit.Positions * 3 / 8) * stride;
            float* p2 = from + (nint)(unit.Positions * 5 / 8) * stride, p3 = from + (nint)(unit.Positions * 7 / 8) * stride;
            V quarter = V.Broadcast(0.25f);
            for (nint c = 0; c < full; c += V.Count)
                V.Store(origin + c, quarter * (V.Load(p0 + c) + V.Load(p1 + c) + (V.Load(p2 + c) + V.Load(p3 + c))));
            for (nint c = full; c < width; c++) origin[c] = 0.25f * (p0[c] + p1[c] + (p2[c] + p3[c]));
            for (; p <= unit.Positions - 4; p += 4, from += 4 * stride)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V o = V.Load(origin + c);
                    V a = V.Load(from + c) - o, b = V.Load(from + stride + c) - o;
                    V d = V.Load(from + 2 * stride + c) - o, e = V.Load(from + 3 * stride + c) - o;
                    V.Store(sums + c, V.Load(sums + c) + (a + b + (d + e)));
                    V.Store(squares + c, V.Load(squares + c) + V.MultiplyAdd(a, a, V.MultiplyAdd(b, b, V.MultiplyAdd(d, d, e * e))));
                }
                for (int i = 0; i < 4 && rest > 0; i++)
                    AddTail<V>(from + i * stride + full, rest, origin + full, sums + full, squares + full);
            }
            for (; p < unit.Positions; p++, from += stride)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V a = V.Load(from + c) - V.Load(origin + c);
                    V.Store(sums + c, V.Load(sums + c) + a);
                    V.Store(squares + c, V.MultiplyAdd(a, a, V.Load(squares + c)));
                }
                if (rest > 0) AddTail<V>(from + full, rest, origin + full, sums + full, squares + full);
            }
        }

        private static void AddTail<V>(float* from, int rest, float* origin, float* sums, float* squares)
            where V : unmanaged, ILanes<V>
        {
            V a = V.LoadPartial(from, rest) - V.LoadPartial(origin, rest);
            V.Store(sums, V.Load(sums) + a);
            V.Store(squares, V.MultiplyAdd(a, a, V.Load(squares)));
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Combine(GroupNormUnits.Unit unit, float* origin, float* sums, float* squares)
        {
            double* to = partials + 2 * (((nint)unit.Row * units.Bands + unit.Band) * units.Groups + unit.Group);
            double positions = unit.Positions, inverse = 1.0 / unit.Positions, inverseSize = 1.0 / units.GroupSize;
            for (int g = 0; g < unit.Groups; g++, to += 2, origin += units.GroupSize, sums += units.GroupSize, squares += units.GroupSize)
            {
                // Around the first channel's mean, so that one pass over the channels does.
                double first = origin[0] + sums[0] * inverse, total = 0, spread = 0, deviation = 0;
                for (nint i = 0; i < units.GroupSize; i++)
                {
                    double sum = sums[i], shift = sum * inverse, distance = origin[i] - first + shift;
                    total += distance;
                    spread += distance * distance;
                    deviation += squares[i] - sum * shift;
                }
                to[0] = first + total * inverseSize;
                to[1] = deviation + positions * (spread - total * total * inverseSize);
            }
        }
    }

    /// <summary>Joins the bands of a row in their order (Chan, Golub and LeVeque's update).</summary>
    private readonly struct GroupNormCombineStatsJob(GroupNormUnits units, double epsilon, double* partials, float* mean, float* rstd)
        : IWorkerJob
    {
        public const int RowsPerItem = 4;

        public void Execute(int item, int worker)
        {
            for (int row = item * RowsPerItem; row < Math.Min(units.Rows, (item + 1) * RowsPerItem); row++)
                for (int g = 0; g < units.Groups; g++)
                    Join(row, g);
        }

        private void Join(int row, int g)
        {
            double* from = partials + 2 * ((nint)row * units.Bands * units.Groups + g);
            double count = 0, center = 0, deviation = 0;
            for (int band = 0; band < units.Bands; band++, from += 2 * units.Groups)
            {
                double length = (double)units.BandLength(band) * units.GroupSize, total = count + length, delta = from[0] - center;
                center += delta * (length / total);
                deviation += from[1] + delta * delta * (count * length / total);
                count = total;
            }
            nint at = (nint)row * units.Groups + g;
            mean[at] = (float)center;
            // Rounding may leave a tiny negative sum where all elements are equal.
            rstd[at] = (float)(1 / Math.Sqrt(Math.Max(deviation, 0) / count + epsilon));
        }
    }
}
