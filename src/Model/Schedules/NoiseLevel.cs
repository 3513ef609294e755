namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// A noise level as a sampler needs it: where it lies, and what the network is told there.
/// The redundant forms are kept because each is computed without cancellation by whoever knows the level best.
/// </summary>
/// <param name="Alpha">Signal scale of <c>z = alpha x0 + sigma noise</c>, in [0, 1].</param>
/// <param name="Sigma">Noise scale, in [0, 1]; <c>alpha^2 + sigma^2 = 1</c>.</param>
/// <param name="LogSnr"><c>log(alpha^2 / sigma^2)</c>.</param>
/// <param name="SigmaEdm"><c>sigma / alpha</c>, the level in EDM scale.</param>
/// <param name="Timestep">What the network receives as its time.</param>
public readonly record struct NoiseLevel(double Alpha, double Sigma, double LogSnr, double SigmaEdm, double Timestep)
{
    /// <summary>The level with <c>alpha^2 = alphaBar</c>.</summary>
    /// <param name="alphaBar">In [0, 1).</param>
    /// <param name="timestep">What the network receives.</param>
    public static NoiseLevel FromAlphaBar(double alphaBar, double timestep) =>
        new(Math.Sqrt(alphaBar), Math.Sqrt(1 - alphaBar), Conversions.AlphaBarToLogSnr(alphaBar),
            Conversions.AlphaBarToSigmaEdm(alphaBar), timestep);

    /// <summary>The level with EDM noise <paramref name="sigmaEdm"/>: <c>alpha = 1 / sqrt(1 + sE^2)</c>, <c>sigma = sE alpha</c>.</summary>
    /// <param name="schedule">Tells what the network receives.</param>
    /// <param name="sigmaEdm">Above 0, finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">The level is not positive and finite.</exception>
    public static NoiseLevel FromSigmaEdm(INoiseSchedule schedule, double sigmaEdm)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        if (!(sigmaEdm > 0) || double.IsInfinity(sigmaEdm))
            throw new ArgumentOutOfRangeException(nameof(sigmaEdm), sigmaEdm, "A noise level must be positive and finite; leave the final 0 out.");
        double alpha = 1 / Math.Sqrt(1 + sigmaEdm * sigmaEdm);
        double logSnr = Conversions.SigmaEdmToLogSnr(sigmaEdm);
        return new(alpha, sigmaEdm * alpha, logSnr, sigmaEdm, schedule.TimestepAt(logSnr));
    }

    /// <summary>The level of log-SNR <paramref name="logSnr"/>: <c>alpha^2 = sigmoid(logSnr)</c>, <c>sigma^2 = sigmoid(-logSnr)</c>.</summary>
    /// <param name="schedule">Tells what the network receives.</param>
    /// <param name="logSnr">Finite.</param>
    /// <exception cref="ArgumentOutOfRangeException">The level is not finite.</exception>
    public static NoiseLevel FromLogSnr(INoiseSchedule schedule, double logSnr)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        if (!double.IsFinite(logSnr)) throw new ArgumentOutOfRangeException(nameof(logSnr), logSnr, "A log-SNR must be finite.");
        return new(Math.Sqrt(Conversions.LogSnrToAlphaBar(logSnr)), Math.Sqrt(Conversions.LogSnrToAlphaBar(-logSnr)), logSnr,
            Conversions.LogSnrToSigmaEdm(logSnr), schedule.TimestepAt(logSnr));
    }

    /// <summary>Levels for a list of EDM noise levels, in the order given.</summary>
    /// <param name="schedule">Tells what the network receives.</param>
    /// <param name="sigmas">Positive and finite, without the final 0 (see <see cref="Spacing.Karras"/>).</param>
    public static NoiseLevel[] FromSigmas(INoiseSchedule schedule, IReadOnlyList<double> sigmas)
    {
        ArgumentNullException.ThrowIfNull(sigmas);
        return [.. sigmas.Select(s => FromSigmaEdm(schedule, s))];
    }

    /// <summary>Levels for a list of log-SNR values, in the order given.</summary>
    /// <param name="schedule">Tells what the network receives.</param>
    /// <param name="logSnrs">Finite values (see <see cref="Spacing.LogSnrUniform"/>).</param>
    public static NoiseLevel[] FromLogSnrs(INoiseSchedule schedule, IReadOnlyList<double> logSnrs)
    {
        ArgumentNullException.ThrowIfNull(logSnrs);
        return [.. logSnrs.Select(l => FromLogSnr(schedule, l))];
    }
}
