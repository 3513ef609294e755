using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    long IKernels.GroupNormBackwardWorkspace(Shape x, int groups) => new GroupNormGradientSpace(new GroupNormUnits(x, groups), null).Length;

    /// <inheritdoc/>
    void IKernels.GroupNormBackward(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu, TensorView dy,
        TensorView dx, bool accumulateDx, TensorView dgamma, bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta,
        TensorView dscaleShift, bool accumulateDscaleShift, TensorView workspace)
    {
        var units = new GroupNormUnits(x.Shape, mean.Shape.Channels);
        EnsureScratch(5L * units.SlabStride);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        var affine = new GroupNormAffine(units, mean.Pointer, rstd.Pointer, gamma.Pointer, beta.Pointer, scaleShift.Pointer);
        var space = new GroupNormGradientSpace(units, workspace.Pointer);

        // The slope of SiLU costs more than a write: where dx is not added to, it holds dz between the two passes.
        bool kept = silu && !dx.IsEmpty && !accumulateDx;
        if (silu) Sums<SiluSlope>();
        else Sums<UnitSlope>();
        var combine = new GroupNormCombineSumsJob(units, affine, space, dscaleShift.Pointer, accumulateDscaleShift, scratch);
        Pool.Run(ref combine, units.Rows * units.Slabs);
        if (!dx.IsEmpty)
        {
            if (silu && !kept) Inputs<SiluSlope>(dy.Pointer);
            else Inputs<UnitSlope>(kept ? dx.Pointer : dy.Pointer);
        }
        if (dgamma.IsEmpty && dbeta.IsEmpty) return;
        var parameters = new GroupNormParametersJob(units, affine, space, dgamma.Pointer, accumulateDgamma, dbeta.Pointer, accumulateDbeta);
        Pool.Run(ref parameters, (units.Channels + GroupNormParametersJob.ChannelsPerItem - 1) / GroupNormParametersJob.ChannelsPerItem);

        void Sums<TSlope>()
            where TSlope : unmanaged, IUnaryFormula
        {
            var job = new GroupNormSumsJob<TSlope>(units, affine, space, x.Pointer, dy.Pointer, kept ? dx.Pointer : null, scratch);
            Pool.Run(ref job, units.Items);
        }

        void Inputs<TSlope>(float* gradient)
            where TSlope : unmanaged, IUnaryFormula
        {
            var job = new GroupNormInputsJob<TSlope>(units, affine, space, x.Pointer, gradient, dx.Pointer, accumulateDx, scratch);
            Pool.Run(ref job, units.Items);
        }
    }

    /// <summary>The workspace: sums per band, then per row, and per group the two terms that all its elements share.</summary>
    private readonly struct GroupNormGradientSpace(GroupNormUnits units, float* workspace)
    {
        public long Length => 2L * units.Rows * ((units.Bands + 1L) * units.Channels + units.Groups);

        /// <summary>C sums of dz, then C sums of dz * (x - mean), of one band.</summary>
        public float* Band(int row, int band) => workspace + 2 * ((nint)row * units.Bands + band) * units.Channels;

        /// <summary>C sums of dz, then C sums of dz * xhat, of one row.</summary>
        public float* Row(int row) => workspace + 2 * ((nint)units.Rows * units.Bands + row) * units.Channels;

        /// <summary>Per group a and b of dx = dz * factor - a - (x - mean) * b.</summary>
        public float* Shared(int row) => workspace + 2 * ((nint)units.Rows * (units.Bands + 1) * units.Channels + (nint)row * units.Groups);
    }

    /// <summary>dact/du of the identity.</summary>
    private readonly struct UnitSlope : IUnaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => V.Broadcast(1f);
    }

    /// <summary>dact/du of SiLU.</summary>
    private readonly struct SiluSlope : IUnaryFormula
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public V Invoke<V>(V x)
            where V : unmanaged, ILanes<V> => default(SiluGradientFormula).Invoke(x, V.Broadcast(1f));
    }

    private readonly struct GroupNormSumsJob<TSlope>(
        GroupNormUnits units, GroupNormAffine affine, GroupNormGradientSpace space, float* x, float* dy, float* dz, float** scratch)
        : IWorkerJob
        where TSlope : unmanaged, IUnaryFormula
    {
        public void Execute(int item, int worker)
        {
            float* means = scratch[worker], factors = means + units.SlabStride, offsets = factors + units.SlabStride;
            float* plain = offsets + units.SlabStride, weighted = plain + units.SlabStride;
            for (long index = units.FirstUnit(item); index < units.EndUnit(item); index++)
            {
                var unit = units[index];
                affine.Fill(unit, means, factors, offsets);
                new Span<float>(plain, units.SlabStride).Clear();
                new Span<float>(weighted, units.SlabStride).Clear();
                if (Avx512F.IsSupported) Run<Lanes512>(unit, means, factors, offsets, plain, weighted);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(unit, means, factors, offsets, plain, weighted);
                else Run<Lanes128>(unit, means, factors, offsets, plain, weighted);
                float* to = space.Band(unit.Row, unit.Band) + unit.Channel;
                new ReadOnlySpan<float>(plain, unit.Channels).CopyTo(new Span<float>(to, unit.Channels));
                new ReadOnlySpan<float>(weighted, unit.Channels).CopyTo(new Span<float>(to + units.Channels, unit.Channels));
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(GroupNormUnits.Unit unit, float* means, float* factors, float* offsets, float* plain, float* weighted)
            where V : unmanaged, ILanes<V>
        {
            nint stride = units.Channels, width = unit.Channels, full = width - width % V.Count;
            int rest = (int)(width - full);
            nint start = units.Offset(unit);
            float* from = x + start, gradient = dy + start, kept = dz + start;
            for (int p = 0; p < unit.Positions; p++, from += stride, gradient += stride, kept += stride)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V distance = V.Load(from + c) - V.Load(means + c);
                    V slope = default(TSlope).Invoke(V.MultiplyAdd(distance, V.Load(factors + c), V.Load(offsets + c)));
                    V product = V.Load(gradient + c) * slope;
                    // Both loads before the stores: arrays a page apart would make the second load wait for the first store.
                    V sum = V.Load(plain + c) + product, sumWeighted = V.MultiplyAdd(product, distance, V.Load(weighted + c));
                    V.Store(plain + c, sum);
                    V.Store(weighted + c, sumWeighted);
                    if (dz != null) V.Store(kept + c, product);
                }
                if (rest == 0) continue;
                // dy is 0 beyond the tail, so whatever the slab's arrays hold there adds nothing that is kept.
                V tailDistance = V.LoadPartial(from + full, rest) - V.Load(means + full);
                V tailSlope = default(TSlope).Invoke(V.MultiplyAdd(tailDistance, V.Load(factors + full), V.Load(offsets + full)));
                V tail = V.LoadPartial(gradient + full, rest) * tailSlope;
                if (dz != null) V.StorePartial(kept + full, tail, rest);
                V.Store(plain + full, V.Load(plain + full) + tail);
                V.Store(weighted + full, V.MultiplyAdd(tail, tailDistance, V.Load(weighted + full)));
            }
        }
    }

    /// <summary>Sums of a row in double, bands in order; from them the gradients of scale and shift, and what a group shares.</summary>
    private readonly struct GroupNormCombineSumsJob(
        GroupNormUnits units, GroupNormAffine affine, GroupNormGradientSpace space, float* dscaleShift, bool accumulate,
        float** scratch) : IWorkerJob
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            int row = item / units.Slabs;
            var unit = units[(long)row * units.Bands * units.Slabs + item % units.Slabs];
            double* plains = (double*)scratch[worker], weighteds = plains + unit.Channels;
            new Span<double>(plains, 2 * unit.Channels).Clear();
            for (int band = 0; band < units.Bands; band++)
            {
                float* from = space.Band(row, band) + unit.Channel;
                for (nint c = 0; c < unit.Channels; c++) plains[c] += from[c];
                for (nint c = 0; c < unit.Channels; c++) weighteds[c] += from[units.Channels + c];
            }
            double elements = (double)units.Positions * units.GroupSize;
            for (int g = unit.Group; g < unit.Group + unit.Groups; g++)
            {
                double rstd = affine.Rstd(row, g), groupPlain = 0, groupWeighted = 0;
                for (int c = g * units.GroupSize; c < (g + 1) * units.GroupSize; c++)
                {
                    double plain = plains[c - unit.Channel], weighted = rstd * weighteds[c - unit.Channel];
                    space.Row(row)[c] = (float)plain;
                    space.Row(row)[c + units.Channels] = (float)weighted;
                    double gain = (double)affine.Gamma(c) * affine.Scale(row, c);
                    groupPlain += gain * plain;
                    groupWeighted += gain * weighted;
                    if (dscaleShift == null) continue;
                    float* scale = dscaleShift + (nint)row * 2 * units.Channels + c, shift = scale + units.Channels;
                    double dscale = affine.Gamma(c) * weighted + affine.Beta(c) * plain;
                    *scale = (float)(accumulate ? *scale + dscale : dscale);
                    *shift = (float)(accumulate ? *shift + plain : plain);
                }
                space.Shared(row)[2 * g] = (float)(rstd * groupPlain / elements);
                space.Shared(row)[2 * g + 1] = (float)(rstd * rstd * groupWeighted / elements);
            }
        }
    }

    private readonly struct GroupNormInputsJob<TSlope>(
        GroupNormUnits units, GroupNormAffine affine, GroupNormGradientSpace space, float* x, float* dy, float* dx, bool accumulate,
        float** scratch) : IWorkerJob
        where TSlope : unmanaged, IUnaryFormula
    {
        public void Execute(int item, int worker)
        {
            float* means = scratch[worker], factors = means + units.SlabStride, offsets = factors + units.SlabStride;
            float* constant = offsets + units.SlabStride, linear = constant + units.SlabStride;
            for (long index = units.FirstUnit(item); index < units.EndUnit(item); index++)
            {
                var unit = units[index];
                affine.Fill(unit, means, factors, offsets);
                float* shared = space.Shared(unit.Row) + 2 * unit.Group;
                for (int g = 0; g < unit.Groups; g++)
                {
                    new Span<float>(constant + g * units.GroupSize, units.GroupSize).Fill(shared[2 * g]);
                    new Span<float>(linear + g * units.GroupSize, units.GroupSize).Fill(shared[2 * g + 1]);
                }
                if (Avx512F.IsSupported) Run<Lanes512>(unit, means, factors, offsets, constant, linear);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(unit, means, factors, offsets, constant, linear);
                else Run<Lanes128>(unit, means, factors, offsets, constant, linear);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(GroupNormUnits.Unit unit, float* means, float* factors, float* offsets, float* constant, float* linear)
            where V : unmanaged, ILanes<V>
        {
            nint stride = units.Channels, width = unit.Channels, full = width - width % V.Count, start = units.Offset(unit);
            int rest = (int)(width - full);
            float* from = x + start, gradient = dy + start, to = dx + start;
            for (int p = 0; p < unit.Positions; p++, from += stride, gradient += stride, to += stride)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V distance = V.Load(from + c) - V.Load(means + c), factor = V.Load(factors + c);
                    V product = V.Load(gradient + c) * default(TSlope).Invoke(V.MultiplyAdd(distance, factor, V.Load(offsets + c)));
                    V value = product * factor - V.MultiplyAdd(distance, V.Load(linear + c), V.Load(constant + c));
                    V.Store(to + c, accumulate ? V.Load(to + c) + value : value);
                }
                if (rest == 0) continue;
                V tailDistance = V.LoadPartial(from + full, rest) - V.Load(means + full), tailFactor = V.Load(factors + full);
                V slope = default(TSlope).Invoke(V.MultiplyAdd(tailDistance, tailFactor, V.Load(offsets + full)));
                V tail = V.LoadPartial(gradient + full, rest) * slope * tailFactor
                    - V.MultiplyAdd(tailDistance, V.Load(linear + full), V.Load(constant + full));
                V.StorePartial(to + full, accumulate ? V.LoadPartial(to + full, rest) + tail : tail, rest);
            }
        }
    }

    /// <summary>dgamma and dbeta: sums over the batch in double, rows in order.</summary>
    private readonly struct GroupNormParametersJob(
        GroupNormUnits units, GroupNormAffine affine, GroupNormGradientSpace space, float* dgamma, bool accumulateDgamma, float* dbeta,
        bool accumulateDbeta) : IWorkerJob
    {
        public const int ChannelsPerItem = 32;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            int first = item * ChannelsPerItem, count = Math.Min(ChannelsPerItem, units.Channels - first);
            double* gammas = stackalloc double[ChannelsPerItem], betas = stackalloc double[ChannelsPerItem];
            new Span<double>(gammas, ChannelsPerItem).Clear();
            new Span<double>(betas, ChannelsPerItem).Clear();
            for (int row = 0; row < units.Rows; row++)
            {
                float* sums = space.Row(row) + first;
                for (int i = 0; i < count; i++)
                {
                    double scale = affine.Scale(row, first + i);
                    betas[i] += scale * sums[i];
                    gammas[i] += scale * sums[units.Channels + i];
                }
            }
            for (int i = 0; i < count; i++)
            {
                int c = first + i;
                if (dgamma != null) dgamma[c] = (float)(accumulateDgamma ? dgamma[c] + gammas[i] : gammas[i]);
                if (dbeta != null) dbeta[c] = (float)(accumulateDbeta ? dbeta[c] + betas[i] : betas[i]);
            }
        }
    }
}
