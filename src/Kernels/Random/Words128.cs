using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>4 words in a 128-bit register.</summary>
internal readonly unsafe struct Words128(Vector128<uint> value) : IWords<Words128, Lanes128>
{
    private readonly Vector128<uint> _value = value;

    public static Words128 BlockOffsets
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector128.Create(0u, 1, 2, 3));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 Broadcast(uint value) => new(Vector128.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 operator +(Words128 a, Words128 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 operator -(Words128 a, Words128 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 operator ^(Words128 a, Words128 b) => new(a._value ^ b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 operator &(Words128 a, Words128 b) => new(a._value & b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 operator <<(Words128 a, int count) => new(a._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 operator >>>(Words128 a, int count) => new(a._value >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 MultiplyEven(Words128 a, Words128 b) => new(MultiplyWide(a._value, b._value).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 OddToEven(Words128 a) => new((a._value.AsUInt64() >>> 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 Interleave(Words128 even, Words128 odd) =>
        new(Vector128.ConditionalSelect(Vector128.Create(0xFFFFFFFFUL), even._value.AsUInt64(), odd._value.AsUInt64() << 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 ToFloat(Words128 a) => new(Vector128.ConvertToSingle(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 ToFloatSigned(Words128 a) => new(Vector128.ConvertToSingle(a._value.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 AsFloat(Words128 a) => new(a._value.AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words128 FromFloat(Lanes128 a) => new(Unsafe.BitCast<Lanes128, Vector128<uint>>(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInterleaved(float* destination, Lanes128 a, Lanes128 b, Lanes128 c, Lanes128 d)
    {
        Vector128<float> va = Unsafe.BitCast<Lanes128, Vector128<float>>(a), vb = Unsafe.BitCast<Lanes128, Vector128<float>>(b);
        Vector128<float> vc = Unsafe.BitCast<Lanes128, Vector128<float>>(c), vd = Unsafe.BitCast<Lanes128, Vector128<float>>(d);
        for (int i = 0; i < 4; i++) Vector128.Create(va[i], vb[i], vc[i], vd[i]).Store(destination + 4 * i);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<ulong> MultiplyWide(Vector128<uint> a, Vector128<uint> b)
    {
        if (Sse2.IsSupported) return Sse2.Multiply(a, b);
        Vector128<ulong> lower = Vector128.Create(0xFFFFFFFFUL);
        return (a.AsUInt64() & lower) * (b.AsUInt64() & lower);
    }
}
