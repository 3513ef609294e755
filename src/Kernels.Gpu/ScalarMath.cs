using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>Elementary functions of GPU threads that <see cref="LanesMath"/> lacks, since they need the bits of a number or more than float.</summary>
internal static class ScalarMath
{
    /// <summary>Smaller of two; where either is NaN, <paramref name="b"/>. PTX's own minimum would drop the NaN. A constant comes first.</summary>
    public static float Min(float a, float b) => LanesScalar.Min(new(a), new(b)).Value;

    /// <summary>Larger of two; where either is NaN, <paramref name="b"/>. PTX's own maximum would drop the NaN. A constant comes first.</summary>
    public static float Max(float a, float b) => LanesScalar.Max(new(a), new(b)).Value;

    /// <summary>ln x for a normal number x above 0, within 4 ulp: x = 2^e m with m in [sqrt(1/2), sqrt(2)). NaN stays NaN.</summary>
    public static float Log(float x)
    {
        // Bits of sqrt(1/2).
        const int Root = 0x3F3504F3;
        int bits = (int)Interop.FloatAsInt(x), exponent = (bits - Root) >> 23;
        float f = Interop.IntAsFloat((uint)(bits - (exponent << 23))) - 1f;
        float log = exponent * 0.693147181f + LanesMath.LogNearOne(new LanesScalar(f)).Value;
        return x > 0f ? log : x;
    }

    /// <summary>
    /// Cosine (0) or sine (1) of an angle in turns, below 2^48. The nearest quarter turn is taken off in double, so that large angles keep their phase.
    /// </summary>
    public static float Wave(double turns, int sine)
    {
        // 1.5 * 2^52 leaves no room for fractions.
        double quarters = 4 * turns, whole = quarters + 6755399441055744.0 - 6755399441055744.0;
        LanesMath.SinCosOfEighth(new LanesScalar((float)((quarters - whole) * (Math.PI / 2))), out var sin, out var cos);
        // The cosine is the sine of a quarter turn more.
        int quarter = (int)((long)whole + 1 - sine & 3);
        float value = quarter % 2 == 0 ? sin.Value : cos.Value;
        return quarter < 2 ? value : -value;
    }
}
