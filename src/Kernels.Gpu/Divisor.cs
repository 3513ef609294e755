using System.Numerics;

namespace NativeDiffusion.Kernels;

/// <summary>
/// A positive divisor that many values are divided by: a product and a shift, where a GPU takes some twenty instructions to divide. With
/// 2^(s-1) &lt; d &lt;= 2^s the factor f = 2^(31+s) / d, rounded up, has f d - 2^(31+s) &lt; 2^s, so n f / 2^(31+s) rounded down is n / d for 0 &lt;= n &lt; 2^31
/// (Granlund and Montgomery 1994).
/// </summary>
internal readonly struct Divisor
{
    /// <summary>The divisor.</summary>
    public readonly int Value;

    private readonly uint _factor;
    private readonly int _shift;

    public Divisor(int value)
    {
        Value = value;
        _shift = value == 1 ? 0 : BitOperations.Log2((uint)value - 1) + 1;
        _factor = (uint)(((1UL << 31 + _shift) + (uint)value - 1) / (uint)value);
    }

    /// <summary>value / divisor; of a value that is not negative.</summary>
    public int Divide(int value) => (int)((uint)((ulong)((uint)value << 1) * _factor >> 32) >> _shift);
}
