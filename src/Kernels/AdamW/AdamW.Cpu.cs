using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.AdamW(
        in AdamWStep step, TensorView gradients, TensorView norm, TensorView values, TensorView firstMoment, TensorView secondMoment,
        TensorView average)
    {
        var formula = AdamWFormula.Of(step, norm);
        float length = norm.IsEmpty ? 0 : *norm.Pointer;
        if (!float.IsFinite(length)) return;
        var job = new AdamWJob
        {
            Gradients = gradients.Pointer, Values = values.Pointer, First = firstMoment.Pointer, Second = secondMoment.Pointer,
            Average = average.Pointer, Count = values.Count,
            GradientScale = step.ClipNorm > 0 ? (float)Math.Min(1, step.ClipNorm / (length + 1e-6)) : 1f,
            Formula = formula,
        };
        Pool.Run(ref job, Chunks(values.Count));
    }

    private struct AdamWJob : IWorkerJob
    {
        public float* Gradients, Values, First, Second, Average;
        public long Count;
        public float GradientScale;
        public AdamWFormula Formula;

        public readonly void Execute(int item, int worker)
        {
            nint start = (nint)item * ChunkLength, length = (nint)Math.Min(ChunkLength, Count - start);
            if (Avx512F.IsSupported) Run<Lanes512>(start, length);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(start, length);
            else Run<Lanes128>(start, length);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Run<V>(nint start, nint length)
            where V : unmanaged, ILanes<V>
        {
            float* gradients = Gradients + start, values = Values + start, first = First + start, second = Second + start;
            float* average = Average + start;
            bool averages = Average != null;
            V scale = V.Broadcast(GradientScale);
            var formula = Formula;
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count)
            {
                V m = V.Load(first + i), v = V.Load(second + i);
                V value = formula.Update(V.Load(gradients + i) * scale, V.Load(values + i), ref m, ref v);
                V.Store(first + i, m);
                V.Store(second + i, v);
                V.Store(values + i, value);
                if (!averages) continue;
                V.Store(average + i, formula.Average(value, V.Load(average + i)));
            }
            int rest = (int)(length - i);
            if (rest == 0) return;
            V lastM = V.LoadPartial(first + i, rest), lastV = V.LoadPartial(second + i, rest);
            V last = formula.Update(V.LoadPartial(gradients + i, rest) * scale, V.LoadPartial(values + i, rest), ref lastM, ref lastV);
            V.StorePartial(first + i, lastM, rest);
            V.StorePartial(second + i, lastV, rest);
            V.StorePartial(values + i, last, rest);
            if (!averages) return;
            V.StorePartial(average + i, formula.Average(last, V.LoadPartial(average + i, rest)), rest);
        }
    }
}
