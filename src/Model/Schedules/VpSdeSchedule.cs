namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// The continuous variance-preserving SDE (Song et al. 2021): <c>alphaBar(u) = exp(-u^2 (betaMax - betaMin) / 2 - u betaMin)</c>,
/// u in [0, 1], the limit of the discrete linear schedule.
/// </summary>
public sealed class VpSdeSchedule : INoiseSchedule
{
    /// <summary>Creates the schedule.</summary>
    /// <param name="betaMin">Noise rate at u = 0, above 0.</param>
    /// <param name="betaMax">Noise rate at u = 1, at least <paramref name="betaMin"/>.</param>
    /// <param name="timeScale">The network receives <c>timeScale u</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The rates are not positive and in order.</exception>
    public VpSdeSchedule(double betaMin = 0.1, double betaMax = 20, double timeScale = 999)
    {
        if (!(betaMin > 0 && betaMin <= betaMax) || double.IsInfinity(betaMax))
            throw new ArgumentOutOfRangeException(
                nameof(betaMin), betaMin, $"Rates must be positive, finite and in order; got {betaMin} to {betaMax}.");
        (BetaMin, BetaMax, TimeScale) = (betaMin, betaMax, timeScale);
    }

    /// <summary>Noise rate at u = 0.</summary>
    public double BetaMin { get; }

    /// <summary>Noise rate at u = 1.</summary>
    public double BetaMax { get; }

    /// <summary>The network receives <c>TimeScale u</c>.</summary>
    public double TimeScale { get; }

    /// <summary><c>alphaBar(u)</c>.</summary>
    /// <param name="u">At least 0.</param>
    public double AlphaBar(double u) => Math.Exp(-Exponent(u));

    /// <summary><c>logSnr(u) = -log(exp(q) - 1)</c> with <c>q = u^2 (betaMax - betaMin) / 2 + u betaMin</c>.</summary>
    /// <param name="u">Above 0.</param>
    public double LogSnr(double u)
    {
        double q = Exponent(u);
        // log(exp(q) - 1) = q + log(1 - exp(-q)); 2 sinh(q/2) exp(-q/2) keeps the small q exact.
        return -(q / 2 + Math.Log(2 * Math.Sinh(q / 2)));
    }

    /// <summary>The inverse of <see cref="LogSnr"/>, the positive root of <c>q(u) = log(1 + exp(-logSnr))</c>.</summary>
    /// <param name="logSnr">Any finite value.</param>
    public double U(double logSnr)
    {
        double q = logSnr > 0 ? 2 * Math.Atanh(Math.Exp(-logSnr) / (2 + Math.Exp(-logSnr))) : -logSnr + Math.Log(1 + Math.Exp(logSnr));
        return 2 * q / (BetaMin + Math.Sqrt(BetaMin * BetaMin + 2 * (BetaMax - BetaMin) * q));
    }

    /// <summary>Least u of the training; at 0 there is no noise.</summary>
    public double LeastU { get; init; } = 1e-5;

    /// <inheritdoc/>
    public (double Least, double Greatest) SigmaRange => (SigmaEdm(LeastU), SigmaEdm(1));

    /// <summary>EDM noise level at u.</summary>
    /// <param name="u">Above 0.</param>
    public double SigmaEdm(double u) => Conversions.LogSnrToSigmaEdm(LogSnr(u));

    /// <inheritdoc/>
    public double TimestepAt(double logSnr) => TimeScale * U(logSnr);

    private double Exponent(double u) => u * (u * (BetaMax - BetaMin) / 2 + BetaMin);
}
