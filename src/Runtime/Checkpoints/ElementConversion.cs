using System.Numerics;
using System.Runtime.InteropServices;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Converts between stored elements and float, double or long. Floating-point narrowing rounds to nearest even in one step, values beyond
/// the range become infinite; integers that do not fit throw <see cref="OverflowException"/>. The processor is taken to be little endian.
/// </summary>
internal static class ElementConversion
{
    public static int SizeOf(DType dtype) => dtype switch
    {
        DType.F64 or DType.I64 or DType.U64 => 8,
        DType.F32 or DType.I32 or DType.U32 => 4,
        DType.F16 or DType.BF16 or DType.I16 or DType.U16 => 2,
        DType.I8 or DType.U8 or DType.Bool => 1,
        _ => throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Unknown dtype."),
    };

    /// <summary>The greatest number that rounding to nearest does not make infinite in a floating-point type: below half a step beyond its greatest.</summary>
    public static double GreatestOf(DType dtype) => dtype switch
    {
        DType.F16 => Math.BitDecrement(65520.0),
        DType.BF16 => Math.BitDecrement((2 - 1 / 256.0) * Math.Pow(2, 127)),
        DType.F32 => Math.BitDecrement((2 - Math.Pow(2, -24)) * Math.Pow(2, 127)),
        _ => double.MaxValue,
    };

    public static bool IsFloatingPoint(DType dtype) => dtype is DType.F64 or DType.F32 or DType.F16 or DType.BF16;

    public static void ToFloat(DType dtype, ReadOnlySpan<byte> source, Span<float> destination)
    {
        if (dtype == DType.BF16)
            HalfPrecision.WidenBFloat16(MemoryMarshal.Cast<byte, ushort>(source), destination);
        else if (dtype == DType.F16)
            HalfPrecision.WidenHalf(MemoryMarshal.Cast<byte, ushort>(source), destination);
        else
            ToNumber(dtype, source, destination);
    }

    public static void ToDouble(DType dtype, ReadOnlySpan<byte> source, Span<double> destination)
    {
        if (dtype == DType.BF16)
            FromBFloat16(source, destination);
        else
            ToNumber(dtype, source, destination);
    }

    public static void ToInt64(DType dtype, ReadOnlySpan<byte> source, Span<long> destination)
    {
        if (IsFloatingPoint(dtype))
            throw new ArgumentException($"{dtype} elements are not integers.", nameof(dtype));
        ToNumber(dtype, source, destination);
    }

    public static void FromFloat(DType dtype, ReadOnlySpan<float> source, Span<byte> destination)
    {
        if (dtype == DType.BF16)
        {
            Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(destination);
            for (int i = 0; i < source.Length; i++)
                halves[i] = ToBFloat16(source[i]);
        }
        else
        {
            FromReal(dtype, source, destination);
        }
    }

    public static void FromDouble(DType dtype, ReadOnlySpan<double> source, Span<byte> destination)
    {
        if (dtype == DType.BF16)
        {
            Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(destination);
            for (int i = 0; i < source.Length; i++)
                halves[i] = ToBFloat16(ToFloatRoundingToOdd(source[i]));
        }
        else
        {
            FromReal(dtype, source, destination);
        }
    }

    public static void FromInt64(DType dtype, ReadOnlySpan<long> source, Span<byte> destination)
    {
        switch (dtype)
        {
            case DType.I64: Convert(source, MemoryMarshal.Cast<byte, long>(destination)); break;
            case DType.I32: Convert(source, MemoryMarshal.Cast<byte, int>(destination)); break;
            case DType.U8: Convert(source, destination); break;
            default: throw new ArgumentException($"Integers are written as I64, I32 or U8, not {dtype}.", nameof(dtype));
        }
    }

    public static ushort ToBFloat16(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        if (float.IsNaN(value))
            return (ushort)((bits >> 16) | 0x40); // quiet, so that a payload in the lower half cannot turn it into an infinity
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    // Rounding to odd keeps the information that something was cut off, so that the second rounding, to 8 bits, is as if from the double.
    private static float ToFloatRoundingToOdd(double value)
    {
        float rounded = (float)value;
        if (rounded == value || double.IsNaN(value))
            return rounded;
        uint bits = BitConverter.SingleToUInt32Bits(rounded);
        uint towardsZero = Math.Abs((double)rounded) > Math.Abs(value) ? bits - 1 : bits;
        return BitConverter.UInt32BitsToSingle(towardsZero | 1);
    }

    private static void FromBFloat16<T>(ReadOnlySpan<byte> source, Span<T> destination) where T : INumber<T>
    {
        ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(source);
        for (int i = 0; i < halves.Length; i++)
            destination[i] = T.CreateChecked(BitConverter.UInt32BitsToSingle((uint)halves[i] << 16));
    }

    private static void ToNumber<T>(DType dtype, ReadOnlySpan<byte> source, Span<T> destination) where T : INumber<T>
    {
        switch (dtype)
        {
            case DType.F64: Convert(MemoryMarshal.Cast<byte, double>(source), destination); break;
            case DType.F32: Convert(MemoryMarshal.Cast<byte, float>(source), destination); break;
            case DType.F16: Convert(MemoryMarshal.Cast<byte, Half>(source), destination); break;
            case DType.I64: Convert(MemoryMarshal.Cast<byte, long>(source), destination); break;
            case DType.I32: Convert(MemoryMarshal.Cast<byte, int>(source), destination); break;
            case DType.I16: Convert(MemoryMarshal.Cast<byte, short>(source), destination); break;
            case DType.I8: Convert(MemoryMarshal.Cast<byte, sbyte>(source), destination); break;
            case DType.U64: Convert(MemoryMarshal.Cast<byte, ulong>(source), destination); break;
            case DType.U32: Convert(MemoryMarshal.Cast<byte, uint>(source), destination); break;
            case DType.U16: Convert(MemoryMarshal.Cast<byte, ushort>(source), destination); break;
            case DType.U8: Convert(source, destination); break;
            case DType.Bool:
                for (int i = 0; i < source.Length; i++)
                    destination[i] = source[i] == 0 ? T.Zero : T.One;
                break;
            default: throw new ArgumentOutOfRangeException(nameof(dtype), dtype, "Unknown dtype.");
        }
    }

    private static void FromReal<T>(DType dtype, ReadOnlySpan<T> source, Span<byte> destination) where T : INumber<T>
    {
        switch (dtype)
        {
            case DType.F64: Convert(source, MemoryMarshal.Cast<byte, double>(destination)); break;
            case DType.F32: Convert(source, MemoryMarshal.Cast<byte, float>(destination)); break;
            case DType.F16: Convert(source, MemoryMarshal.Cast<byte, Half>(destination)); break;
            default: throw new ArgumentException($"Real numbers are written as F64, F32, F16 or BF16, not {dtype}.", nameof(dtype));
        }
    }

    private static void Convert<TFrom, TTo>(ReadOnlySpan<TFrom> source, Span<TTo> destination)
        where TFrom : INumber<TFrom>
        where TTo : INumber<TTo>
    {
        for (int i = 0; i < source.Length; i++)
            destination[i] = TTo.CreateChecked(source[i]);
    }
}
