using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// Guidance in the paper's convention (Ho and Salimans 2022): <c>(1 + w) conditional - w null</c>; 0 is the plain conditional model,
/// -1 the unconditional one. Convert explicitly to <see cref="GuidanceScale"/>.
/// </summary>
/// <param name="W">The strength w.</param>
public readonly record struct GuidanceStrength(double W)
{
    /// <summary><c>s = 1 + w</c>.</summary>
    /// <param name="strength">The strength.</param>
    public static explicit operator GuidanceScale(GuidanceStrength strength) => new(1 + strength.W);
}

/// <summary>
/// Guidance in the convention of most code (DiT, diffusers, EDM): <c>null + s (conditional - null)</c>; 1 is the plain conditional model,
/// 0 the unconditional one. Convert explicitly to <see cref="GuidanceStrength"/>.
/// </summary>
/// <param name="S">The scale s.</param>
public readonly record struct GuidanceScale(double S)
{
    /// <summary><c>w = s - 1</c>.</summary>
    /// <param name="scale">The scale.</param>
    public static explicit operator GuidanceStrength(GuidanceScale scale) => new(scale.S - 1);
}

/// <summary>
/// Where guidance applies (Kynkaanniemi et al. 2024). Outside, the scale is 1 and the pass without condition is not needed.
/// </summary>
public readonly record struct GuidanceInterval
{
    private enum Kind { Everywhere, Steps, Sigmas }

    private readonly Kind _kind;
    private readonly double _first;
    private readonly double _last;

    private GuidanceInterval(Kind kind, double first, double last) => (_kind, _first, _last) = (kind, first, last);

    /// <summary>Guidance at every step.</summary>
    public static GuidanceInterval Everywhere => default;

    /// <summary>Guidance for step indices from <paramref name="first"/> to <paramref name="last"/>, both included; 0 is the noisiest step.</summary>
    /// <param name="first">First guided step; above <paramref name="last"/> for none.</param>
    /// <param name="last">Last guided step.</param>
    public static GuidanceInterval Steps(int first, int last) => new(Kind.Steps, first, last);

    /// <summary>
    /// Guidance for network evaluations at EDM noise levels with <c>low &lt; s &lt;= high</c>; the two evaluations of a Heun step are judged
    /// each by its own level.
    /// </summary>
    /// <param name="low">Lower end, excluded, at least 0.</param>
    /// <param name="high">Upper end, included; may be infinite.</param>
    /// <exception cref="ArgumentOutOfRangeException">An end is negative or not a number.</exception>
    public static GuidanceInterval Sigmas(double low, double high)
    {
        if (!(low >= 0)) throw new ArgumentOutOfRangeException(nameof(low), low, "A noise level is at least 0.");
        if (!(high >= 0)) throw new ArgumentOutOfRangeException(nameof(high), high, "A noise level is at least 0.");
        // Kept as log-SNR, computed as the rows compute theirs, so that an end given as one of the levels compares exactly.
        return new(Kind.Sigmas, Conversions.SigmaEdmToLogSnr(low), Conversions.SigmaEdmToLogSnr(high));
    }

    /// <summary>Whether guidance applies at a row.</summary>
    /// <param name="row">The row.</param>
    public bool Contains(SamplerRow row)
    {
        ArgumentNullException.ThrowIfNull(row);
        return _kind switch
        {
            Kind.Steps => row.StepIndex >= _first && row.StepIndex <= _last,
            Kind.Sigmas => row.LogSnr < _first && row.LogSnr >= _last,
            _ => true,
        };
    }

    /// <summary>The scale in force at a row: <paramref name="scale"/> inside, 1 outside. At exactly 1 only the conditional pass is needed.</summary>
    /// <param name="row">The row.</param>
    /// <param name="scale">The scale inside.</param>
    public double ScaleAt(SamplerRow row, GuidanceScale scale) => Contains(row) ? scale.S : 1;
}
