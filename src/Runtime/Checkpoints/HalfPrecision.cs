using System.Numerics;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Widens half-precision weights a vector at a time; exact.</summary>
internal static class HalfPrecision
{
    public static void WidenBFloat16(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            Vector.ShiftLeft(low, 16).As<uint, float>().CopyTo(destination[i..]);
            Vector.ShiftLeft(high, 16).As<uint, float>().CopyTo(destination[(i + Vector<uint>.Count)..]);
        }
        for (; i < source.Length; i++)
            destination[i] = BitConverter.UInt32BitsToSingle((uint)source[i] << 16);
    }

    public static void WidenHalf(ReadOnlySpan<ushort> source, Span<float> destination)
    {
        int i = 0;
        for (; i <= source.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(source[i..]), out Vector<uint> low, out Vector<uint> high);
            WidenHalf(low).CopyTo(destination[i..]);
            WidenHalf(high).CopyTo(destination[(i + Vector<uint>.Count)..]);
        }
        for (; i < source.Length; i++)
            destination[i] = (float)BitConverter.UInt16BitsToHalf(source[i]);
    }

    // Exponent and mantissa are shifted into place and the bias is put right by one exact multiplication, which also normalises subnormal
    // numbers; infinities and NaNs get their exponent by hand.
    private static Vector<float> WidenHalf(Vector<uint> half)
    {
        const uint infiniteHalf = 0x7C00u << 13, infinity = 0x7F800000;
        Vector<float> bias = new(BitConverter.UInt32BitsToSingle((127u + 112) << 23));
        Vector<uint> magnitude = Vector.ShiftLeft(half & new Vector<uint>(0x7FFF), 13);
        Vector<uint> special = Vector.GreaterThanOrEqual(magnitude, new Vector<uint>(infiniteHalf));
        Vector<uint> value = Vector.ConditionalSelect(special, magnitude | new Vector<uint>(infinity), (magnitude.As<uint, float>() * bias).As<float, uint>());
        return (value | Vector.ShiftLeft(half & new Vector<uint>(0x8000), 16)).As<uint, float>();
    }
}
