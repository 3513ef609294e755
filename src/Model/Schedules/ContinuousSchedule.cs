namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// The continuous schedule of classifier-free guidance (Ho and Salimans 2022, section 2): <c>logSnr(u) = -2 log tan(a u + b)</c>,
/// <c>b = atan(exp(-logSnrMax / 2))</c>, <c>a = atan(exp(-logSnrMin / 2)) - b</c>, with u uniform in [0, 1] in training,
/// u = 0 clean and u = 1 noise. Then <c>alpha = cos(a u + b)</c> and <c>sigma = sin(a u + b)</c>.
/// </summary>
public sealed class ContinuousSchedule : INoiseSchedule
{
    private readonly double _a;
    private readonly double _b;
    private readonly double _complement;

    /// <summary>Creates the schedule between two levels.</summary>
    /// <param name="logSnrMin">Log-SNR at u = 1 (noise); finite.</param>
    /// <param name="logSnrMax">Log-SNR at u = 0 (clean); finite and above <paramref name="logSnrMin"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The bounds are not finite or not in order.</exception>
    public ContinuousSchedule(double logSnrMin = -20, double logSnrMax = 20)
    {
        if (!double.IsFinite(logSnrMin) || !double.IsFinite(logSnrMax) || !(logSnrMin < logSnrMax))
            throw new ArgumentOutOfRangeException(
                nameof(logSnrMin), logSnrMin, $"Log-SNR bounds must be finite and in order; got {logSnrMin} to {logSnrMax}.");
        (LogSnrMin, LogSnrMax) = (logSnrMin, logSnrMax);
        _b = Math.Atan(Math.Exp(-logSnrMax / 2));
        _a = Math.Atan(Math.Exp(-logSnrMin / 2)) - _b;
        _complement = Math.Atan(Math.Exp(logSnrMin / 2));
    }

    /// <summary>Log-SNR at u = 1.</summary>
    public double LogSnrMin { get; }

    /// <summary>Log-SNR at u = 0.</summary>
    public double LogSnrMax { get; }

    /// <summary><c>logSnr(u) = -2 log tan(a u + b)</c>.</summary>
    /// <param name="u">In [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="u"/> lies outside [0, 1].</exception>
    public double LogSnr(double u)
    {
        (double angle, bool noisy) = Angle(u);
        double half = -2 * Math.Log(Math.Tan(angle));
        return noisy ? -half : half;
    }

    /// <summary>The inverse of <see cref="LogSnr"/>: <c>u = (atan(exp(-logSnr / 2)) - b) / a</c>.</summary>
    /// <param name="logSnr">Within the schedule's bounds for a result in [0, 1].</param>
    public double U(double logSnr) => (Math.Atan(Math.Exp(-logSnr / 2)) - _b) / _a;

    /// <summary>Signal scale <c>cos(a u + b)</c>.</summary>
    /// <param name="u">In [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="u"/> lies outside [0, 1].</exception>
    public double Alpha(double u)
    {
        (double angle, bool noisy) = Angle(u);
        return noisy ? Math.Sin(angle) : Math.Cos(angle);
    }

    /// <summary>Noise scale <c>sin(a u + b)</c>.</summary>
    /// <param name="u">In [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="u"/> lies outside [0, 1].</exception>
    public double Sigma(double u)
    {
        (double angle, bool noisy) = Angle(u);
        return noisy ? Math.Cos(angle) : Math.Sin(angle);
    }

    /// <summary>
    /// The time that a network of this library receives: <c>1000 (2 / pi) atan(exp(-clip(logSnr, -20, 20) / 2))</c>, a bounded
    /// monotone map onto [0, 1000] that is uniform under the training distribution of u.
    /// </summary>
    /// <param name="logSnr">Any value.</param>
    public static double NetworkTime(double logSnr) => 1000 * (2 / Math.PI) * Math.Atan(Math.Exp(-Math.Clamp(logSnr, -20, 20) / 2));

    /// <inheritdoc/>
    public double TimestepAt(double logSnr) => NetworkTime(logSnr);

    /// <summary>The level at <paramref name="u"/>, with the network's time.</summary>
    /// <param name="u">In [0, 1].</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="u"/> lies outside [0, 1].</exception>
    public NoiseLevel Level(double u)
    {
        double alpha = Alpha(u), sigma = Sigma(u), logSnr = LogSnr(u);
        return new(alpha, sigma, logSnr, sigma / alpha, NetworkTime(logSnr));
    }

    /// <summary>Levels for a list of u, in the order given.</summary>
    /// <param name="us">Values in [0, 1] (see <see cref="Spacing.UniformU"/> and <see cref="Spacing.Sigmoid"/>).</param>
    /// <exception cref="ArgumentOutOfRangeException">A value lies outside [0, 1].</exception>
    public NoiseLevel[] Levels(IReadOnlyList<double> us)
    {
        ArgumentNullException.ThrowIfNull(us);
        return [.. us.Select(Level)];
    }

    // Near u = 1 the angle approaches pi / 2, whose cosine and tangent are lost in rounding; there we count from that end instead.
    private (double Angle, bool Noisy) Angle(double u)
    {
        if (!(u >= 0 && u <= 1)) throw new ArgumentOutOfRangeException(nameof(u), u, "u must lie in [0, 1].");
        return u <= 0.5 ? (_a * u + _b, false) : (_a * (1 - u) + _complement, true);
    }
}
