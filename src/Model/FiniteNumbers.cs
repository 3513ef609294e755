using System.Numerics;
using System.Runtime.InteropServices;

namespace NativeDiffusion.Model;

/// <summary>Looks for NaN, infinities and numbers that are too large, as fast as memory is read.</summary>
internal static class FiniteNumbers
{
    private const uint Exponent = 0x7F800000, NoSign = 0x7FFFFFFF;

    /// <summary>Index of the first value that is NaN or infinite; -1 if there is none.</summary>
    public static int FirstOther(ReadOnlySpan<float> values) => FirstNotBelow(values, Exponent);

    /// <summary>Index of the first value whose magnitude is above a bound (or NaN); -1 if there is none.</summary>
    public static int FirstBeyond(ReadOnlySpan<float> values, float bound) => FirstNotBelow(values, BitConverter.SingleToUInt32Bits(bound) + 1);

    // Without their signs, the bits of floats are in the order of the floats, NaN last.
    private static int FirstNotBelow(ReadOnlySpan<float> values, uint bound)
    {
        var bits = MemoryMarshal.Cast<float, uint>(values);
        int i = 0;
        for (var limit = new Vector<uint>(bound); i <= bits.Length - Vector<uint>.Count; i += Vector<uint>.Count)
            if (Vector.GreaterThanOrEqualAny(new Vector<uint>(bits[i..]) & new Vector<uint>(NoSign), limit)) break;
        for (; i < bits.Length; i++)
            if ((bits[i] & NoSign) >= bound) return i;
        return -1;
    }
}
