using System.Buffers.Binary;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Runtime;

public sealed class ElementConversionTests
{
    // The value of a 16-bit float from its fields, in double, where every one of them is exact.
    private static double Decode(ushort bits, int mantissaBits, int bias)
    {
        int exponentMask = (1 << (15 - mantissaBits)) - 1;
        int exponent = bits >> mantissaBits & exponentMask;
        int mantissa = bits & (1 << mantissaBits) - 1;
        double sign = bits >> 15 == 0 ? 1 : -1;
        if (exponent == exponentMask)
            return mantissa != 0 ? double.NaN : sign * double.PositiveInfinity;
        return exponent == 0
            ? sign * mantissa * Math.Pow(2, 1 - bias - mantissaBits)
            : sign * (1 + mantissa * Math.Pow(2, -mantissaBits)) * Math.Pow(2, exponent - bias);
    }

    private static (int MantissaBits, int Bias) FormatOf(DType dtype) => dtype == DType.F16 ? (10, 15) : (7, 127);

    private static ushort Narrow(DType dtype, double value)
    {
        byte[] bytes = new byte[2];
        ElementConversion.FromDouble(dtype, [value], bytes);
        return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }

    private static ushort Narrow(DType dtype, float value)
    {
        byte[] bytes = new byte[2];
        ElementConversion.FromFloat(dtype, [value], bytes);
        return BinaryPrimitives.ReadUInt16LittleEndian(bytes);
    }

    [Test]
    public void AllPatternsTogetherWidenAsEachDoes([Values(DType.F16, DType.BF16)] DType dtype)
    {
        ushort[] patterns = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i), 0x3C01];
        float[] together = new float[patterns.Length];
        double[] wide = new double[patterns.Length];
        ElementConversion.ToFloat(dtype, System.Runtime.InteropServices.MemoryMarshal.AsBytes(patterns), together);
        ElementConversion.ToDouble(dtype, System.Runtime.InteropServices.MemoryMarshal.AsBytes(patterns), wide);
        Assert.That(together.Select(v => (double)v), Is.EqualTo(wide));
        Assert.That(float.IsNegative(together[0x8000]), Is.True);
    }

    [Test]
    public void EveryPatternWidensExactlyAndNarrowsBack([Values(DType.F16, DType.BF16)] DType dtype)
    {
        (int mantissaBits, int bias) = FormatOf(dtype);
        int wrong = 0;
        for (int i = 0; i <= ushort.MaxValue; i++)
        {
            ushort bits = (ushort)i;
            double expected = Decode(bits, mantissaBits, bias);
            byte[] bytes = [(byte)bits, (byte)(bits >> 8)];
            float[] single = new float[1];
            double[] wide = new double[1];
            ElementConversion.ToFloat(dtype, bytes, single);
            ElementConversion.ToDouble(dtype, bytes, wide);
            if (double.IsNaN(expected))
            {
                bool stays = float.IsNaN(single[0]) && double.IsNaN(wide[0])
                    && double.IsNaN(Decode(Narrow(dtype, single[0]), mantissaBits, bias))
                    && double.IsNaN(Decode(Narrow(dtype, wide[0]), mantissaBits, bias));
                wrong += stays ? 0 : 1;
            }
            else
            {
                bool same = BitConverter.DoubleToInt64Bits(wide[0]) == BitConverter.DoubleToInt64Bits(expected)
                    && BitConverter.DoubleToInt64Bits(single[0]) == BitConverter.DoubleToInt64Bits(expected);
                wrong += same && Narrow(dtype, single[0]) == bits && Narrow(dtype, wide[0]) == bits ? 0 : 1;
            }
        }
        Assert.That(wrong, Is.Zero);
    }

    [Test]
    public void NarrowingRoundsToNearestEven([Values(DType.F16, DType.BF16)] DType dtype)
    {
        (int mantissaBits, int bias) = FormatOf(dtype);
        int infinity = (1 << (15 - mantissaBits)) - 1 << mantissaBits;
        int wrong = 0;
        // Between each two neighbours, up to the step to infinity: just below the tie, the tie, just above it.
        for (int low = 0; low < infinity; low++)
        {
            double below = Decode((ushort)low, mantissaBits, bias);
            double above = low + 1 == infinity
                ? below * 2 - Decode((ushort)(low - 1), mantissaBits, bias)
                : Decode((ushort)(low + 1), mantissaBits, bias);
            double tie = (below + above) / 2;
            int even = low % 2 == 0 ? low : low + 1;
            wrong += Narrow(dtype, tie) == even ? 0 : 1;
            wrong += Narrow(dtype, Math.BitDecrement(tie)) == low ? 0 : 1;
            wrong += Narrow(dtype, Math.BitIncrement(tie)) == low + 1 ? 0 : 1;
            wrong += Narrow(dtype, -tie) == (even | 0x8000) ? 0 : 1;
            wrong += Narrow(dtype, -Math.BitIncrement(tie)) == (low + 1 | 0x8000) ? 0 : 1;
            wrong += Narrow(dtype, (float)tie) == even ? 0 : 1;
            wrong += Narrow(dtype, MathF.BitDecrement((float)tie)) == low ? 0 : 1;
            wrong += Narrow(dtype, MathF.BitIncrement((float)tie)) == low + 1 ? 0 : 1;
        }
        Assert.That(wrong, Is.Zero);
    }

    [TestCase(DType.F16)]
    [TestCase(DType.BF16)]
    public void ExtremesOverflowToInfinityAndUnderflowToZero(DType dtype)
    {
        int infinity = dtype == DType.F16 ? 0x7C00 : 0x7F80;
        Assert.That(Narrow(dtype, double.MaxValue), Is.EqualTo(infinity));
        Assert.That(Narrow(dtype, double.NegativeInfinity), Is.EqualTo(infinity | 0x8000));
        Assert.That(Narrow(dtype, float.MaxValue), Is.EqualTo(infinity));
        Assert.That(Narrow(dtype, double.Epsilon), Is.Zero);
        Assert.That(Narrow(dtype, -double.Epsilon), Is.EqualTo(0x8000));
        Assert.That(Narrow(dtype, -0f), Is.EqualTo(0x8000));
        // A NaN whose payload is all in the bits that are cut off.
        ushort nan = Narrow(dtype, BitConverter.UInt32BitsToSingle(0x7F800001));
        Assert.That((nan & infinity) == infinity && (nan & ~infinity & 0x7FFF) != 0, Is.True);
    }

    [Test]
    public void SixtyFourBitsNarrowOnce()
    {
        float[] single = new float[1];
        ElementConversion.ToFloat(DType.F64, BitConverter.GetBytes(1 + Math.Pow(2, -24)), single);
        Assert.That(single[0], Is.EqualTo(1f));
        ElementConversion.ToFloat(DType.F64, BitConverter.GetBytes(Math.BitIncrement(1 + Math.Pow(2, -24))), single);
        Assert.That(single[0], Is.EqualTo(MathF.BitIncrement(1f)));
        ElementConversion.ToFloat(DType.F64, BitConverter.GetBytes(1e300), single);
        Assert.That(single[0], Is.EqualTo(float.PositiveInfinity));
        ElementConversion.ToFloat(DType.I64, BitConverter.GetBytes((1L << 62) + (1L << 38) + 1), single);
        Assert.That(single[0], Is.EqualTo(MathF.BitIncrement(4611686018427387904f)));
    }
}
