using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>Elementary functions over lanes. Errors are relative, over the whole range that activations use.</summary>
internal static unsafe class LanesMath
{
    /// <summary>
    /// e^x within 2 ulp: x = n ln 2 + r with |r| at most ln(2)/2, e^r by its Taylor polynomial of degree 7. Arguments are clamped to
    /// [-87, 88], so that the result is a normal number; NaN stays NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        // x comes second: where one operand is NaN, x86's minimum and maximum return the second.
        x = V.Min(V.Broadcast(88f), V.Max(V.Broadcast(-87f), x));
        V n = V.Round(x * V.Broadcast(1.44269504f));
        // ln 2 in two parts: the first has trailing zero bits, so that n times it is exact.
        V r = V.MultiplyAdd(n, V.Broadcast(-0.693145752f), x);
        r = V.MultiplyAdd(n, V.Broadcast(-1.42860677e-6f), r);
        V p = V.MultiplyAdd(V.Broadcast(1f / 5040), r, V.Broadcast(1f / 720));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f / 120));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f / 24));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f / 6));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.5f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f));
        return p * V.PowerOfTwo(n);
    }

    /// <summary>1 / (1 + e^-x), at least 6e-39 and at most 1; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid<V>(V x)
        where V : unmanaged, ILanes<V> => V.Broadcast(1f) / (V.Broadcast(1f) + Exp(V.Zero - x));

    /// <summary>
    /// x / (1 + e^-x), fused for throughput: one reduction step and the minimax polynomial of degree 5 (relative error 7.6e-8), so that the error
    /// stays within 3 ulp where |x| is below 10.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Silu<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        V clamped = V.Min(V.Max(x, V.Broadcast(-87f)), V.Broadcast(87f));
        V n = V.Round(clamped * V.Broadcast(-1.44269504f));
        // -r, with -x = n ln 2 + r; the signs of the odd coefficients make up for it.
        V r = V.MultiplyAdd(n, V.Broadcast(0.693147182f), clamped);
        V p = V.MultiplyAdd(V.Broadcast(-0.008297619466f), r, V.Broadcast(0.04191562925f));
        p = V.MultiplyAdd(p, r, V.Broadcast(-0.1666757654f));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.4999889266f));
        p = V.MultiplyAdd(p, r, V.Broadcast(-0.9999996911f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1.000000072f));
        return x / V.MultiplyAdd(p, V.PowerOfTwo(n), V.Broadcast(1f));
    }
}
