using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>16 words in a 512-bit register.</summary>
internal readonly unsafe struct Words512(Vector512<uint> value) : IWords<Words512, Lanes512>
{
    private readonly Vector512<uint> _value = value;

    public static Words512 BlockOffsets
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector512.Create(0u, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 Broadcast(uint value) => new(Vector512.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 operator +(Words512 a, Words512 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 operator -(Words512 a, Words512 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 operator ^(Words512 a, Words512 b) => new(a._value ^ b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 operator &(Words512 a, Words512 b) => new(a._value & b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 operator <<(Words512 a, int count) => new(a._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 operator >>>(Words512 a, int count) => new(a._value >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 MultiplyEven(Words512 a, Words512 b) => new(Avx512F.Multiply(a._value, b._value).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 OddToEven(Words512 a) => new((a._value.AsUInt64() >>> 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 Interleave(Words512 even, Words512 odd) =>
        new(Vector512.ConditionalSelect(Vector512.Create(0xFFFFFFFFUL), even._value.AsUInt64(), odd._value.AsUInt64() << 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 ToFloat(Words512 a) => new(Vector512.ConvertToSingle(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 ToFloatSigned(Words512 a) => new(Vector512.ConvertToSingle(a._value.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 AsFloat(Words512 a) => new(a._value.AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words512 FromFloat(Lanes512 a) => new(Unsafe.BitCast<Lanes512, Vector512<uint>>(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInterleaved(float* destination, Lanes512 a, Lanes512 b, Lanes512 c, Lanes512 d)
    {
        Vector512<float> va = Unsafe.BitCast<Lanes512, Vector512<float>>(a), vb = Unsafe.BitCast<Lanes512, Vector512<float>>(b);
        Vector512<float> vc = Unsafe.BitCast<Lanes512, Vector512<float>>(c), vd = Unsafe.BitCast<Lanes512, Vector512<float>>(d);
        Vector512<double> ab0 = Avx512F.UnpackLow(va, vb).AsDouble(), ab1 = Avx512F.UnpackHigh(va, vb).AsDouble();
        Vector512<double> cd0 = Avx512F.UnpackLow(vc, vd).AsDouble(), cd1 = Avx512F.UnpackHigh(vc, vd).AsDouble();
        Avx512F.UnpackLow(ab0, cd0).AsSingle().Store(destination);
        Avx512F.UnpackHigh(ab0, cd0).AsSingle().Store(destination + 16);
        Avx512F.UnpackLow(ab1, cd1).AsSingle().Store(destination + 32);
        Avx512F.UnpackHigh(ab1, cd1).AsSingle().Store(destination + 48);
    }
}
