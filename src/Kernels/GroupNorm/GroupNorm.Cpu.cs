using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GroupNormForward(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu, TensorView y)
    {
        var units = new GroupNormUnits(x.Shape, mean.Shape.Channels);
        EnsureScratch(3L * units.SlabStride);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        var affine = new GroupNormAffine(units, mean.Pointer, rstd.Pointer, gamma.Pointer, beta.Pointer, scaleShift.Pointer);
        if (silu)
        {
            var job = new GroupNormForwardJob<SiluFormula>(units, affine, x.Pointer, y.Pointer, scratch);
            Pool.Run(ref job, units.Items);
        }
        else
        {
            var job = new GroupNormForwardJob<IdentityFormula>(units, affine, x.Pointer, y.Pointer, scratch);
            Pool.Run(ref job, units.Items);
        }
    }

    /// <summary>Statistics and affine parameters as per-channel arrays: u = (x - mean) * factor + offset.</summary>
    private readonly struct GroupNormAffine(GroupNormUnits units, float* mean, float* rstd, float* gamma, float* beta, float* scaleShift)
    {
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Fill(GroupNormUnits.Unit unit, float* means, float* factors, float* offsets)
        {
            float* rowMean = mean + (nint)unit.Row * units.Groups, rowRstd = rstd + (nint)unit.Row * units.Groups;
            float* channelGamma = gamma + unit.Channel, channelBeta = beta + unit.Channel;
            nint at = 0;
            for (int g = unit.Group; g < unit.Group + unit.Groups; g++)
            {
                float m = rowMean[g], r = rowRstd[g];
                for (int i = 0; i < units.GroupSize; i++, at++)
                {
                    means[at] = m;
                    factors[at] = r * channelGamma[at];
                    offsets[at] = channelBeta[at];
                }
            }
            if (scaleShift == null) return;
            float* scale = scaleShift + (nint)unit.Row * 2 * units.Channels + unit.Channel, shift = scale + units.Channels;
            for (nint c = 0; c < unit.Channels; c++)
            {
                float s = 1 + scale[c];
                factors[c] *= s;
                offsets[c] = offsets[c] * s + shift[c];
            }
        }

        public float Gamma(int channel) => gamma[channel];

        public float Beta(int channel) => beta[channel];

        public float Rstd(int row, int group) => rstd[(nint)row * units.Groups + group];

        /// <summary>1 + scale.</summary>
        public float Scale(int row, int channel) => scaleShift == null ? 1 : 1 + scaleShift[(nint)row * 2 * units.Channels + channel];
    }

    private readonly struct GroupNormForwardJob<TActivation>(
        GroupNormUnits units, GroupNormAffine affine, float* x, float* y, float** scratch) : IWorkerJob
        where TActivation : unmanaged, IUnaryFormula
    {
        public void Execute(int item, int worker)
        {
            float* means = scratch[worker], factors = means + units.SlabStride, offsets = factors + units.SlabStride;
            for (long index = units.FirstUnit(item); index < units.EndUnit(item); index++)
            {
                var unit = units[index];
                affine.Fill(unit, means, factors, offsets);
                if (Avx512F.IsSupported) Run<Lanes512>(unit, means, factors, offsets);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(unit, means, factors, offsets);
                else Run<Lanes128>(unit, means, factors, offsets);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(GroupNormUnits.Unit unit, float* means, float* factors, float* offsets)
            where V : unmanaged, ILanes<V>
        {
            nint stride = units.Channels, width = unit.Channels, full = width - width % V.Count;
            int rest = (int)(width - full);
            float* from = x + units.Offset(unit), to = y + units.Offset(unit);
            for (int p = 0; p < unit.Positions; p++, from += stride, to += stride)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V u = V.MultiplyAdd(V.Load(from + c) - V.Load(means + c), V.Load(factors + c), V.Load(offsets + c));
                    V.Store(to + c, default(TActivation).Invoke(u));
                }
                if (rest == 0) continue;
                // The arrays of the slab are padded to whole vectors; x and y are not.
                V tail = V.MultiplyAdd(
                    V.LoadPartial(from + full, rest) - V.Load(means + full), V.Load(factors + full), V.Load(offsets + full));
                V.StorePartial(to + full, default(TActivation).Invoke(tail), rest);
            }
        }
    }
}
