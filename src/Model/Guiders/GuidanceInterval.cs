using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Where guidance applies (Kynkaanniemi et al. 2024). Outside, the scale is 1 and the pass without condition is not needed.
/// </summary>
public readonly record struct GuidanceInterval
{
    private enum Kind { Everywhere, Steps, Fractions, Sigmas }

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

    /// <summary>
    /// Guidance from <paramref name="start"/> to <paramref name="stop"/> of the sampler's steps, as diffusers counts: step i of N with
    /// <c>trunc(start N) &lt;= i &lt; trunc(stop N)</c>.
    /// </summary>
    /// <param name="start">First share, in [0, 1].</param>
    /// <param name="stop">Share at which it ends, in [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException">A share lies outside [0, 1].</exception>
    public static GuidanceInterval Fractions(double start, double stop)
    {
        if (!(start >= 0 && start <= 1)) throw new ArgumentOutOfRangeException(nameof(start), start, "A share of the steps lies in [0, 1].");
        if (!(stop >= 0 && stop <= 1)) throw new ArgumentOutOfRangeException(nameof(stop), stop, "A share of the steps lies in [0, 1].");
        return new(Kind.Fractions, start, stop);
    }

    /// <summary>Whether guidance applies.</summary>
    /// <param name="moment">Where the sampler stands.</param>
    public bool Contains(GuidanceMoment moment) => _kind switch
    {
        Kind.Steps => moment.Step >= _first && moment.Step <= _last,
        Kind.Fractions => moment.Step >= (int)(_first * moment.Steps) && moment.Step < (int)(_last * moment.Steps),
        Kind.Sigmas => moment.LogSnr < _first && moment.LogSnr >= _last,
        _ => true,
    };
}
