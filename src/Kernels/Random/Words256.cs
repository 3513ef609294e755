using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>8 words in a 256-bit register.</summary>
internal readonly unsafe struct Words256(Vector256<uint> value) : IWords<Words256, Lanes256>
{
    private readonly Vector256<uint> _value = value;

    public static Words256 BlockOffsets
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => new(Vector256.Create(0u, 2, 4, 6, 1, 3, 5, 7));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 Broadcast(uint value) => new(Vector256.Create(value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 operator +(Words256 a, Words256 b) => new(a._value + b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 operator -(Words256 a, Words256 b) => new(a._value - b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 operator ^(Words256 a, Words256 b) => new(a._value ^ b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 operator &(Words256 a, Words256 b) => new(a._value & b._value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 operator <<(Words256 a, int count) => new(a._value << count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 operator >>>(Words256 a, int count) => new(a._value >>> count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 MultiplyEven(Words256 a, Words256 b) => new(Avx2.Multiply(a._value, b._value).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 OddToEven(Words256 a) => new((a._value.AsUInt64() >>> 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 Interleave(Words256 even, Words256 odd) =>
        new(Vector256.ConditionalSelect(Vector256.Create(0xFFFFFFFFUL), even._value.AsUInt64(), odd._value.AsUInt64() << 32).AsUInt32());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 ToFloat(Words256 a) => new(Vector256.ConvertToSingle(a._value));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 ToFloatSigned(Words256 a) => new(Vector256.ConvertToSingle(a._value.AsInt32()));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 AsFloat(Words256 a) => new(a._value.AsSingle());

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Words256 FromFloat(Lanes256 a) => new(Unsafe.BitCast<Lanes256, Vector256<uint>>(a));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreInterleaved(float* destination, Lanes256 a, Lanes256 b, Lanes256 c, Lanes256 d)
    {
        Vector256<float> va = Unsafe.BitCast<Lanes256, Vector256<float>>(a), vb = Unsafe.BitCast<Lanes256, Vector256<float>>(b);
        Vector256<float> vc = Unsafe.BitCast<Lanes256, Vector256<float>>(c), vd = Unsafe.BitCast<Lanes256, Vector256<float>>(d);
        Vector256<double> ab0 = Avx.UnpackLow(va, vb).AsDouble(), ab1 = Avx.UnpackHigh(va, vb).AsDouble();
        Vector256<double> cd0 = Avx.UnpackLow(vc, vd).AsDouble(), cd1 = Avx.UnpackHigh(vc, vd).AsDouble();
        Avx.UnpackLow(ab0, cd0).AsSingle().Store(destination);
        Avx.UnpackHigh(ab0, cd0).AsSingle().Store(destination + 8);
        Avx.UnpackLow(ab1, cd1).AsSingle().Store(destination + 16);
        Avx.UnpackHigh(ab1, cd1).AsSingle().Store(destination + 24);
    }
}
