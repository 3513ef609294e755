using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>The constants of one step as the kernels take them, and the update of an element.</summary>
internal struct AdamWFormula
{
    public float Beta1, Rest1, Beta2, Rest2, Keep, Rate, Correction2, Epsilon, AverageRest;

    /// <exception cref="ArgumentException">A constant is out of its range, or a norm to clip by is missing.</exception>
    public static AdamWFormula Of(in AdamWStep step, TensorView norm)
    {
        if (step.Step < 1 || !(step.Epsilon > 0) || step.Beta1 is not (>= 0 and < 1) || step.Beta2 is not (>= 0 and < 1))
            throw new ArgumentException($"AdamW takes a step of at least 1, betas in [0, 1) and an epsilon above 0; got {step}.");
        if (step.ClipNorm > 0 && norm.IsEmpty)
            throw new ArgumentException($"AdamW clips to the norm {step.ClipNorm} but got no norm of the gradients; compute it with GlobalNorm.");
        return new AdamWFormula
        {
            Beta1 = (float)step.Beta1,
            Rest1 = (float)(1 - step.Beta1),
            Beta2 = (float)step.Beta2,
            Rest2 = (float)(1 - step.Beta2),
            Keep = (float)(1 - step.LearningRate * step.WeightDecay),
            Rate = (float)(-step.LearningRate / (1 - Math.Pow(step.Beta1, step.Step))),
            Correction2 = (float)(1 / (1 - Math.Pow(step.Beta2, step.Step))),
            Epsilon = (float)step.Epsilon,
            AverageRest = (float)(1 - step.AverageDecay),
        };
    }

    /// <summary>The new value, and both moments in place; <paramref name="g"/> is the clipped gradient.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Update<V>(V g, V value, ref V m, ref V v)
        where V : unmanaged, ILanes<V>
    {
        m = V.MultiplyAdd(V.Broadcast(Beta1), m, V.Broadcast(Rest1) * g);
        v = V.MultiplyAdd(V.Broadcast(Beta2), v, V.Broadcast(Rest2) * g * g);
        V divisor = V.Sqrt(v * V.Broadcast(Correction2)) + V.Broadcast(Epsilon);
        return V.MultiplyAdd(V.Broadcast(Rate), m / divisor, V.Broadcast(Keep) * value);
    }

    /// <summary>The moving average of the values.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Average<V>(V value, V mean)
        where V : unmanaged, ILanes<V> => V.MultiplyAdd(V.Broadcast(AverageRest), value - mean, mean);
}
