using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void AdamW(
        in AdamWStep step, TensorView gradients, TensorView norm, TensorView values, TensorView firstMoment, TensorView secondMoment,
        TensorView average)
    {
        if (step.Step < 1 || !(step.Epsilon > 0) || step.Beta1 is not (>= 0 and < 1) || step.Beta2 is not (>= 0 and < 1))
            throw new ArgumentException($"AdamW takes a step of at least 1, betas in [0, 1) and an epsilon above 0; got {step}.");
        if (step.ClipNorm > 0 && norm.IsEmpty)
            throw new ArgumentException($"AdamW clips to the norm {step.ClipNorm} but got no norm of the gradients; compute it with GlobalNorm.");
        float length = norm.IsEmpty ? 0 : *norm.Pointer;
        if (!float.IsFinite(length)) return;
        var job = new AdamWJob
        {
            Gradients = gradients.Pointer, Values = values.Pointer, First = firstMoment.Pointer, Second = secondMoment.Pointer,
            Average = average.Pointer, Count = values.Count,
            GradientScale = step.ClipNorm > 0 ? (float)Math.Min(1, step.ClipNorm / (length + 1e-6)) : 1f,
            Beta1 = (float)step.Beta1, Rest1 = (float)(1 - step.Beta1), Beta2 = (float)step.Beta2, Rest2 = (float)(1 - step.Beta2),
            Keep = (float)(1 - step.LearningRate * step.WeightDecay),
            Rate = (float)(-step.LearningRate / (1 - Math.Pow(step.Beta1, step.Step))),
            Correction2 = (float)(1 / (1 - Math.Pow(step.Beta2, step.Step))),
            Epsilon = (float)step.Epsilon, AverageRest = (float)(1 - step.AverageDecay),
        };
        Pool.Run(ref job, Chunks(values.Count));
    }

    private struct AdamWJob : IWorkerJob
    {
        public float* Gradients, Values, First, Second, Average;
        public long Count;
        public float GradientScale, Beta1, Rest1, Beta2, Rest2, Keep, Rate, Correction2, Epsilon, AverageRest;

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
            V averageRest = V.Broadcast(AverageRest);
            nint i = 0;
            for (; i <= length - V.Count; i += V.Count)
            {
                V m = V.Load(first + i), v = V.Load(second + i);
                V value = Update(V.Load(gradients + i), V.Load(values + i), ref m, ref v);
                V.Store(first + i, m);
                V.Store(second + i, v);
                V.Store(values + i, value);
                if (!averages) continue;
                V mean = V.Load(average + i);
                V.Store(average + i, V.MultiplyAdd(averageRest, value - mean, mean));
            }
            int rest = (int)(length - i);
            if (rest == 0) return;
            V lastM = V.LoadPartial(first + i, rest), lastV = V.LoadPartial(second + i, rest);
            V last = Update(V.LoadPartial(gradients + i, rest), V.LoadPartial(values + i, rest), ref lastM, ref lastV);
            V.StorePartial(first + i, lastM, rest);
            V.StorePartial(second + i, lastV, rest);
            V.StorePartial(values + i, last, rest);
            if (!averages) return;
            V lastMean = V.LoadPartial(average + i, rest);
            V.StorePartial(average + i, V.MultiplyAdd(averageRest, last - lastMean, lastMean), rest);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly V Update<V>(V gradient, V value, ref V m, ref V v)
            where V : unmanaged, ILanes<V>
        {
            V g = gradient * V.Broadcast(GradientScale);
            m = V.MultiplyAdd(V.Broadcast(Beta1), m, V.Broadcast(Rest1) * g);
            v = V.MultiplyAdd(V.Broadcast(Beta2), v, V.Broadcast(Rest2) * g * g);
            V divisor = V.Sqrt(v * V.Broadcast(Correction2)) + V.Broadcast(Epsilon);
            return V.MultiplyAdd(V.Broadcast(Rate), m / divisor, V.Broadcast(Keep) * value);
        }
    }
}
