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
        // x comes second: where one operand is NaN, the second is the result on x86 and on GPUs.
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
        V clamped = V.Min(V.Broadcast(87f), V.Max(V.Broadcast(-87f), x));
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

    /// <summary>e^-x for x of at least 0, within 3 ulp up to x = 10: as in <see cref="Silu{V}"/>. Above 87 it is e^-87; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V ExpMinus<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        V n = ReduceMinus(x, out V r);
        V p = V.MultiplyAdd(V.Broadcast(-0.008297619466f), r, V.Broadcast(0.04191562925f));
        p = V.MultiplyAdd(p, r, V.Broadcast(-0.1666757654f));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.4999889266f));
        p = V.MultiplyAdd(p, r, V.Broadcast(-0.9999996911f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1.000000072f));
        return p * V.PowerOfTwo(n);
    }

    /// <summary>
    /// 1 - e^-x for x of at least 0, within 3 ulp also where x is tiny: 1 - 2^n e^-r = (1 - 2^n) + 2^n (1 - e^-r), the last a multiple of r by the minimax polynomial
    /// of degree 5 (relative error 1.1e-8). NaN stays NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V OneMinusExpMinus<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        V power = V.PowerOfTwo(ReduceMinus(x, out V r));
        V p = V.MultiplyAdd(V.Broadcast(-0.001388887293f), r, V.Broadcast(0.008369069546f));
        p = V.MultiplyAdd(p, r, V.Broadcast(-0.0416671373f));
        p = V.MultiplyAdd(p, r, V.Broadcast(0.1666650623f));
        p = V.MultiplyAdd(p, r, V.Broadcast(-0.4999999702f));
        p = V.MultiplyAdd(p, r, V.Broadcast(1f));
        return V.MultiplyAdd(r * p, power, V.Broadcast(1f) - power);
    }

    /// <summary>-x = n ln 2 - r with |r| at most ln(2)/2, for x of at least 0; above 87 as 87.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ReduceMinus<V>(V x, out V r)
        where V : unmanaged, ILanes<V>
    {
        x = V.Min(V.Broadcast(87f), x);
        V n = V.Round(x * V.Broadcast(-1.44269504f));
        r = V.MultiplyAdd(n, V.Broadcast(0.693147182f), x);
        return n;
    }

    /// <summary>ln(1 + f) for 1 + f in [sqrt(1/2), sqrt(2)): 2 artanh(s) with s = f / (f + 2), whose series is cut after s^9.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V LogNearOne<V>(V f)
        where V : unmanaged, ILanes<V>
    {
        V s = f / (f + V.Broadcast(2f)), s2 = s * s;
        V p = V.MultiplyAdd(V.Broadcast(2f / 9), s2, V.Broadcast(2f / 7));
        p = V.MultiplyAdd(p, s2, V.Broadcast(2f / 5));
        p = V.MultiplyAdd(p, s2, V.Broadcast(2f / 3));
        p = V.MultiplyAdd(p, s2, V.Broadcast(2f));
        return p * s;
    }

    /// <summary>Sine and cosine of at most an eighth of a turn, |x| up to pi/4, by the Taylor series.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SinCosOfEighth<V>(V x, out V sin, out V cos)
        where V : unmanaged, ILanes<V>
    {
        V x2 = x * x;
        V s = V.MultiplyAdd(V.Broadcast(1f / 362880), x2, V.Broadcast(-1f / 5040));
        s = V.MultiplyAdd(s, x2, V.Broadcast(1f / 120));
        s = V.MultiplyAdd(s, x2, V.Broadcast(-1f / 6));
        sin = V.MultiplyAdd(s * x2, x, x);
        V c = V.MultiplyAdd(V.Broadcast(-1f / 3628800), x2, V.Broadcast(1f / 40320));
        c = V.MultiplyAdd(c, x2, V.Broadcast(-1f / 720));
        c = V.MultiplyAdd(c, x2, V.Broadcast(1f / 24));
        c = V.MultiplyAdd(c, x2, V.Broadcast(-0.5f));
        cos = V.MultiplyAdd(c, x2, V.Broadcast(1f));
    }

    /// <summary>
    /// The error function within 4 ulp: below 1 by its Taylor series up to x^19, above by Abramowitz and Stegun (1964), 7.1.26, whose absolute error is 1.5e-7. NaN stays NaN.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Erf<V>(V x)
        where V : unmanaged, ILanes<V>
    {
        V a = V.Abs(x), x2 = x * x, one = V.Broadcast(1f);
        V small = V.MultiplyAdd(V.Broadcast(-1.6365845e-7f), x2, V.Broadcast(1.6462114e-6f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(-1.4925650e-5f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(1.2055333e-4f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(-8.5483275e-4f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(5.2239776e-3f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(-2.6866171e-2f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(0.11283792f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(-0.37612639f));
        small = V.MultiplyAdd(small, x2, V.Broadcast(1.1283792f)) * x;
        V t = one / V.MultiplyAdd(V.Broadcast(0.3275911f), a, one);
        V p = V.MultiplyAdd(V.Broadcast(1.061405429f), t, V.Broadcast(-1.453152027f));
        p = V.MultiplyAdd(p, t, V.Broadcast(1.421413741f));
        p = V.MultiplyAdd(p, t, V.Broadcast(-0.284496736f));
        p = V.MultiplyAdd(p, t, V.Broadcast(0.254829592f)) * t;
        V large = one - p * Exp(V.Zero - x2);
        large = V.SelectGreater(x, V.Zero, large, V.Zero - large);
        return V.SelectGreater(a, one, large, small);
    }
}
