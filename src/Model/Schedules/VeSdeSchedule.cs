namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// The noise levels of the variance-exploding SDE (Song et al. 2021) as EDM's networks know them: between a least and a greatest sigma, and the
/// network receives <c>ln(s / 2)</c> (Karras et al. 2022, table 1).
/// </summary>
public sealed class VeSdeSchedule : INoiseSchedule
{
    /// <summary>Creates the schedule.</summary>
    /// <param name="sigmaMin">Least EDM noise level, above 0.</param>
    /// <param name="sigmaMax">Greatest EDM noise level, at least <paramref name="sigmaMin"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">The levels are not positive, finite and in order.</exception>
    public VeSdeSchedule(double sigmaMin = 0.02, double sigmaMax = 100)
    {
        if (!(sigmaMin > 0 && sigmaMin <= sigmaMax) || double.IsInfinity(sigmaMax))
            throw new ArgumentOutOfRangeException(
                nameof(sigmaMin), sigmaMin, $"Noise levels must be positive, finite and in order; got {sigmaMin} to {sigmaMax}.");
        SigmaRange = (sigmaMin, sigmaMax);
    }

    /// <inheritdoc/>
    public (double Least, double Greatest) SigmaRange { get; }

    /// <inheritdoc/>
    public double TimestepAt(double logSnr) => -logSnr / 2 - Math.Log(2);
}
