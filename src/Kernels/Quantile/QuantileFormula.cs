namespace NativeDiffusion.Kernels;

/// <summary>Where a quantile lies among sorted magnitudes, and the limit that follows.</summary>
internal struct QuantileFormula
{
    /// <summary>Bits of infinity: those of a NaN's magnitude are above.</summary>
    public const int Infinity = 0x7F800000;

    /// <summary>Place of the magnitude below, and of the one above.</summary>
    public long Below, Above;

    public double Share;
    public float Most;

    public static QuantileFormula Of(double quantile, float most, long length)
    {
        double place = quantile * (length - 1);
        long below = Math.Min((long)place, length - 1);
        return new QuantileFormula { Below = below, Above = Math.Min(below + 1, length - 1), Share = place - below, Most = most };
    }

    /// <summary>The limit from the magnitudes at both places.</summary>
    public readonly float Limit(float below, float above)
    {
        // Not of infinite ones, whose difference is NaN.
        double between = below + (above - (double)below) * Share, inside = Share > 0.0 ? between : below, value = above > below ? inside : below;
        double atLeast = value < 1.0 ? 1.0 : value;
        return (float)(atLeast > Most ? Most : atLeast);
    }
}
