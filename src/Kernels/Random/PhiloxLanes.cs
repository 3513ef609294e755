using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>Seed, step and stream of a tensor's random numbers; the fourth counter word is stream + 256 * layer.</summary>
internal readonly struct RandomKey(ulong seed, uint step, RandomStream stream, uint layer = 0)
{
    public readonly ulong Seed = seed;
    public readonly uint Step = step;
    public readonly uint Stream = (uint)stream | layer << 8;
}

/// <summary>Philox and Box-Muller over vectors: tiles of random numbers for the kernels that need them.</summary>
internal static unsafe class PhiloxLanes
{
    /// <summary>Numbers are produced in multiples of this; a destination must have room for the last one.</summary>
    public const int Granularity = 64;

    /// <summary>
    /// Standard normal numbers of elements <paramref name="start"/> to start + count - 1 of a sample. <paramref name="start"/> is a
    /// multiple of 4; the
    /// destination has room for <paramref name="count"/> rounded up to <see cref="Granularity"/>. An element's bits do not depend on start
    /// and count.
    /// </summary>
    public static void FillNormal(float* destination, in RandomKey key, uint sample, long start, int count)
    {
        uint block = checked((uint)(start / 4));
        if (Avx512F.IsSupported) Fill<Words512, Lanes512, BoxMuller>(destination, key, sample, block, count);
        else if (Fma.IsSupported && Avx2.IsSupported) Fill<Words256, Lanes256, BoxMuller>(destination, key, sample, block, count);
        else Fill<Words128, Lanes128, BoxMuller>(destination, key, sample, block, count);
    }

    /// <summary>Numbers uniform in (0, 1], <see cref="Philox.UnitInterval"/> of each element's word; otherwise as
    /// <see cref="FillNormal"/>.</summary>
    public static void FillUniform(float* destination, in RandomKey key, uint sample, long start, int count)
    {
        uint block = checked((uint)(start / 4));
        if (Avx512F.IsSupported) Fill<Words512, Lanes512, Identity>(destination, key, sample, block, count);
        else if (Fma.IsSupported && Avx2.IsSupported) Fill<Words256, Lanes256, Identity>(destination, key, sample, block, count);
        else Fill<Words128, Lanes128, Identity>(destination, key, sample, block, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static void Fill<W, V, TTransform>(float* destination, in RandomKey key, uint sample, uint block, int count)
        where W : unmanaged, IWords<W, V>
        where V : unmanaged, ILanes<V>
        where TTransform : unmanaged, ITransform
    {
        W key0 = W.Broadcast((uint)key.Seed), key1 = W.Broadcast((uint)(key.Seed >> 32));
        W multiplier0 = W.Broadcast(Philox.Multiplier0), multiplier1 = W.Broadcast(Philox.Multiplier1);
        W weyl0 = W.Broadcast(Philox.Weyl0), weyl1 = W.Broadcast(Philox.Weyl1);
        for (nint i = 0; i < count; i += 4 * V.Count, block += (uint)V.Count)
        {
            // Counters at even and odd places by themselves: the low half of a product then is where the next round multiplies it, and what
            // gathers at the odd places is never looked at.
            W even0 = W.BlockOffsets + W.Broadcast(block), even1 = W.Broadcast(sample), even2 = W.Broadcast(key.Step), even3 = W.Broadcast(key.Stream);
            W odd0 = W.OddToEven(even0), odd1 = even1, odd2 = even2, odd3 = even3, k0 = key0, k1 = key1;
            for (int round = 0; round < Philox.Rounds; round++)
            {
                W evenProduct0 = W.MultiplyEven(even0, multiplier0), evenProduct1 = W.MultiplyEven(even2, multiplier1);
                W oddProduct0 = W.MultiplyEven(odd0, multiplier0), oddProduct1 = W.MultiplyEven(odd2, multiplier1);
                (even0, even1) = (even1 ^ k0 ^ W.OddToEven(evenProduct1), evenProduct1);
                (even2, even3) = (even3 ^ k1 ^ W.OddToEven(evenProduct0), evenProduct0);
                (odd0, odd1) = (odd1 ^ k0 ^ W.OddToEven(oddProduct1), oddProduct1);
                (odd2, odd3) = (odd3 ^ k1 ^ W.OddToEven(oddProduct0), oddProduct0);
                k0 += weyl0;
                k1 += weyl1;
            }
            W c0 = W.Interleave(even0, odd0), c1 = W.Interleave(even1, odd1), c2 = W.Interleave(even2, odd2), c3 = W.Interleave(even3, odd3);
            TTransform.Invoke(c0, c1, out V a, out V b);
            TTransform.Invoke(c2, c3, out V c, out V d);
            W.StoreInterleaved(destination + i, a, b, c, d);
        }
    }

    internal interface ITransform
    {
        static abstract void Invoke<W, V>(W word0, W word1, out V first, out V second)
            where W : unmanaged, IWords<W, V>
            where V : unmanaged, ILanes<V>;
    }

    internal readonly struct Identity : ITransform
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Invoke<W, V>(W word0, W word1, out V first, out V second)
            where W : unmanaged, IWords<W, V>
            where V : unmanaged, ILanes<V> => (first, second) = (UnitInterval<W, V>(word0), UnitInterval<W, V>(word1));
    }

    internal readonly struct BoxMuller : ITransform
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static void Invoke<W, V>(W word0, W word1, out V first, out V second)
            where W : unmanaged, IWords<W, V>
            where V : unmanaged, ILanes<V>
        {
            V r = V.Sqrt(V.Broadcast(-2f) * Log<W, V>(UnitInterval<W, V>(word0)));
            SinCos(word1, out V sin, out V cos);
            first = r * cos;
            second = r * sin;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V UnitInterval<W, V>(W word)
        where W : unmanaged, IWords<W, V>
        where V : unmanaged, ILanes<V> => (W.ToFloat(word) + V.Broadcast(0.5f)) * V.Broadcast(1f / 4294967296f);

    /// <summary>
    /// ln u for u in [2^-33, 1], within 4 ulp: u = 2^e m with m in [sqrt(1/2), sqrt(2)).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Log<W, V>(V u)
        where W : unmanaged, IWords<W, V>
        where V : unmanaged, ILanes<V>
    {
        // Bits of sqrt(1/2). The exponent is biased by 128, so that the shifted difference is never negative.
        W root = W.Broadcast(0x3F3504F3);
        W shifted = W.FromFloat(u) - root + W.Broadcast(128u << 23);
        V exponent = W.ToFloatSigned(shifted >>> 23) - V.Broadcast(128f);
        V f = W.AsFloat((shifted & W.Broadcast(0x7FFFFF)) + root) - V.Broadcast(1f);
        return V.MultiplyAdd(exponent, V.Broadcast(0.693147181f), LanesMath.LogNearOne(f));
    }

    /// <summary>
    /// Sine and cosine of word / 2^32 turns. The nearest quarter turn is taken off as an integer, exactly; the rest, at most pi/4, goes
    /// into
    /// the Taylor series.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void SinCos<W, V>(W word, out V sin, out V cos)
        where W : unmanaged, IWords<W, V>
        where V : unmanaged, ILanes<V>
    {
        W quarter = (word + W.Broadcast(1u << 29)) >>> 30;
        V x = W.ToFloatSigned(word - (quarter << 30)) * V.Broadcast((float)(2 * Math.PI / 4294967296.0));
        LanesMath.SinCosOfEighth(x, out V s, out V c);
        // Quarters 1 and 3 swap the two; the sine is negative in quarters 2 and 3, the cosine in 1 and 2.
        V swap = W.ToFloatSigned(quarter & W.Broadcast(1)), zero = V.Zero;
        W one = W.Broadcast(0x3F800000), signBit = W.Broadcast(0x80000000);
        V sinSign = W.AsFloat(one ^ ((quarter << 30) & signBit));
        V cosSign = W.AsFloat(one ^ (((quarter + W.Broadcast(1)) << 30) & signBit));
        sin = V.SelectGreater(swap, zero, c, s) * sinSign;
        cos = V.SelectGreater(swap, zero, s, c) * cosSign;
    }
}
