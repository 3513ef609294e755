namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// The preconditioning of Karras et al. 2022 (EDM, table 1): <c>denoised = cSkip xE + cOut F(cIn xE, cNoise)</c>, where
/// <c>xE = x0 + s noise</c>. It keeps input and training target of the raw network <c>F</c> at unit variance at every level.
/// </summary>
public sealed class EdmPreconditioning : INoiseSchedule
{
    /// <summary>Creates the preconditioning for data of a given standard deviation.</summary>
    /// <param name="sigmaData">Standard deviation of the data, above 0.</param>
    /// <param name="sigmaMin">Least noise level that the network knows, at least 0.</param>
    /// <param name="sigmaMax">Greatest noise level that the network knows, above <paramref name="sigmaMin"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="sigmaData"/> is not positive and finite, or the levels are out of order.</exception>
    public EdmPreconditioning(double sigmaData = 0.5, double sigmaMin = 0, double sigmaMax = double.PositiveInfinity)
    {
        if (!(sigmaMin >= 0 && sigmaMin < sigmaMax))
            throw new ArgumentOutOfRangeException(nameof(sigmaMin), sigmaMin, $"Noise levels must be at least 0 and in order; got {sigmaMin} to {sigmaMax}.");
        if (!(sigmaData > 0) || double.IsInfinity(sigmaData))
            throw new ArgumentOutOfRangeException(nameof(sigmaData), sigmaData, "sigmaData must be positive and finite.");
        (SigmaData, SigmaRange) = (sigmaData, (sigmaMin, sigmaMax));
    }

    /// <summary>Standard deviation of the data.</summary>
    public double SigmaData { get; }

    /// <summary><c>cSkip = sigmaData^2 / (s^2 + sigmaData^2)</c>.</summary>
    /// <param name="s">EDM noise level, at least 0.</param>
    public double CSkip(double s) => SigmaData * SigmaData / (s * s + SigmaData * SigmaData);

    /// <summary><c>cOut = s sigmaData / sqrt(s^2 + sigmaData^2)</c>.</summary>
    /// <param name="s">EDM noise level, at least 0.</param>
    public double COut(double s) => s * SigmaData / Math.Sqrt(s * s + SigmaData * SigmaData);

    /// <summary><c>cIn = 1 / sqrt(s^2 + sigmaData^2)</c>.</summary>
    /// <param name="s">EDM noise level, at least 0.</param>
    public double CIn(double s) => 1 / Math.Sqrt(s * s + SigmaData * SigmaData);

    /// <summary><c>cNoise = ln(s) / 4</c>, what the network receives as its time.</summary>
    /// <param name="s">EDM noise level, above 0.</param>
    public double CNoise(double s) => Math.Log(s) / 4;

    /// <summary>Weight on the squared error of the denoised sample: <c>(s^2 + sigmaData^2) / (s sigmaData)^2 = 1 / cOut^2</c>.</summary>
    /// <param name="s">EDM noise level, above 0.</param>
    public double LossWeight(double s) => (s * s + SigmaData * SigmaData) / (s * SigmaData * (s * SigmaData));

    /// <summary>The log-normal noise level of EDM training: <c>exp(mean + std normal)</c>.</summary>
    /// <param name="normal">A standard normal number.</param>
    /// <param name="mean">Mean of <c>ln s</c>.</param>
    /// <param name="std">Standard deviation of <c>ln s</c>.</param>
    public static double TrainingSigma(double normal, double mean = -1.2, double std = 1.2) => Math.Exp(mean + std * normal);

    /// <inheritdoc/>
    public (double Least, double Greatest) SigmaRange { get; }

    /// <inheritdoc/>
    public double TimestepAt(double logSnr) => -logSnr / 8;
}
