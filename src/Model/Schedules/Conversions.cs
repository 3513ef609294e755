namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// Exact relations between the ways of writing a noise level and of writing a prediction, all in double.
/// VP scale: <c>z = alpha x0 + sigma noise</c> with <c>alpha^2 + sigma^2 = 1</c>; EDM scale: <c>xE = z / alpha = x0 + sE noise</c>.
/// <c>alphaBar = alpha^2</c>, <c>logSnr = log(alpha^2 / sigma^2)</c> (natural logarithm), <c>sE = sigma / alpha</c>.
/// </summary>
public static class Conversions
{
    /// <summary><c>logSnr = log(alphaBar) - log(1 - alphaBar)</c>.</summary>
    /// <param name="alphaBar">In [0, 1]; 0 gives negative infinity, 1 positive infinity.</param>
    public static double AlphaBarToLogSnr(double alphaBar) => Math.Log(alphaBar) - Log1P(-alphaBar);

    /// <summary><c>alphaBar = 1 / (1 + exp(-logSnr))</c>.</summary>
    /// <param name="logSnr">Any value, infinities included.</param>
    public static double LogSnrToAlphaBar(double logSnr) => 1 / (1 + Math.Exp(-logSnr));

    /// <summary><c>sE = exp(-logSnr / 2)</c>.</summary>
    /// <param name="logSnr">Any value, infinities included.</param>
    public static double LogSnrToSigmaEdm(double logSnr) => Math.Exp(-logSnr / 2);

    /// <summary><c>logSnr = -2 log(sE)</c>.</summary>
    /// <param name="sigmaEdm">At least 0.</param>
    public static double SigmaEdmToLogSnr(double sigmaEdm) => -2 * Math.Log(sigmaEdm);

    /// <summary><c>sE = sqrt((1 - alphaBar) / alphaBar)</c>.</summary>
    /// <param name="alphaBar">In [0, 1].</param>
    public static double AlphaBarToSigmaEdm(double alphaBar) => Math.Sqrt((1 - alphaBar) / alphaBar);

    /// <summary><c>alphaBar = 1 / (1 + sE^2)</c>.</summary>
    /// <param name="sigmaEdm">At least 0.</param>
    public static double SigmaEdmToAlphaBar(double sigmaEdm) => 1 / (1 + sigmaEdm * sigmaEdm);

    /// <summary>From VP to EDM scale: <c>xE = z sqrt(1 + sE^2)</c>.</summary>
    /// <param name="z">A noisy sample in VP scale.</param>
    /// <param name="sigmaEdm">Its noise level, at least 0.</param>
    public static double VpToEdm(double z, double sigmaEdm) => z * Math.Sqrt(1 + sigmaEdm * sigmaEdm);

    /// <summary>From EDM to VP scale: <c>z = xE / sqrt(1 + sE^2)</c>.</summary>
    /// <param name="xE">A noisy sample in EDM scale.</param>
    /// <param name="sigmaEdm">Its noise level, at least 0.</param>
    public static double EdmToVp(double xE, double sigmaEdm) => xE / Math.Sqrt(1 + sigmaEdm * sigmaEdm);

    /// <summary>
    /// The fractional timestep of a log-SNR: piecewise linear in <c>log sE = -logSnr / 2</c> between the entries of a discrete
    /// schedule, clamped to its ends (the convention of k-diffusion).
    /// </summary>
    /// <param name="logSnrTable">Log-SNR of timesteps 0, 1, ..., strictly decreasing; the last may be negative infinity.</param>
    /// <param name="logSnr">The level looked for.</param>
    /// <returns>A timestep in [0, count - 1].</returns>
    /// <exception cref="ArgumentException">The table is empty.</exception>
    public static double LogSnrToTimestep(ReadOnlySpan<double> logSnrTable, double logSnr)
    {
        if (logSnrTable.IsEmpty) throw new ArgumentException("The table of log-SNR values is empty.", nameof(logSnrTable));
        int last = logSnrTable.Length - 1;
        if (logSnr >= logSnrTable[0]) return 0;
        if (logSnr <= logSnrTable[last]) return last;

        int lo = 0, hi = last;
        while (hi - lo > 1)
        {
            int mid = (lo + hi) / 2;
            if (logSnrTable[mid] >= logSnr) lo = mid;
            else hi = mid;
        }

        return lo + (logSnrTable[lo] - logSnr) / (logSnrTable[lo] - logSnrTable[hi]);
    }

    /// <summary>The clean sample that a prediction implies: <c>(z - sigma eps) / alpha</c>, itself, or <c>alpha z - sigma v</c>.</summary>
    /// <param name="type">What <paramref name="prediction"/> is.</param>
    /// <param name="z">Noisy sample, VP scale.</param>
    /// <param name="prediction">The prediction.</param>
    /// <param name="alpha">Signal scale; not 0 for <see cref="PredictionType.Eps"/>.</param>
    /// <param name="sigma">Noise scale.</param>
    public static double ToX0(PredictionType type, double z, double prediction, double alpha, double sigma) => type switch
    {
        PredictionType.Eps => (z - sigma * prediction) / alpha,
        PredictionType.X0 => prediction,
        PredictionType.V => alpha * z - sigma * prediction,
        _ => throw Unknown(type),
    };

    /// <summary>The noise that a prediction implies: itself, <c>(z - alpha x0) / sigma</c>, or <c>sigma z + alpha v</c>.</summary>
    /// <param name="type">What <paramref name="prediction"/> is.</param>
    /// <param name="z">Noisy sample, VP scale.</param>
    /// <param name="prediction">The prediction.</param>
    /// <param name="alpha">Signal scale.</param>
    /// <param name="sigma">Noise scale; not 0 for <see cref="PredictionType.X0"/>.</param>
    public static double ToEps(PredictionType type, double z, double prediction, double alpha, double sigma) => type switch
    {
        PredictionType.Eps => prediction,
        PredictionType.X0 => (z - alpha * prediction) / sigma,
        PredictionType.V => sigma * z + alpha * prediction,
        _ => throw Unknown(type),
    };

    /// <summary>The v that a prediction implies: <c>(eps - sigma z) / alpha</c>, <c>(alpha z - x0) / sigma</c>, or itself.</summary>
    /// <param name="type">What <paramref name="prediction"/> is.</param>
    /// <param name="z">Noisy sample, VP scale.</param>
    /// <param name="prediction">The prediction.</param>
    /// <param name="alpha">Signal scale; not 0 for <see cref="PredictionType.Eps"/>.</param>
    /// <param name="sigma">Noise scale; not 0 for <see cref="PredictionType.X0"/>.</param>
    public static double ToV(PredictionType type, double z, double prediction, double alpha, double sigma) => type switch
    {
        PredictionType.Eps => (prediction - sigma * z) / alpha,
        PredictionType.X0 => (alpha * z - prediction) / sigma,
        PredictionType.V => prediction,
        _ => throw Unknown(type),
    };

    /// <summary>The training target for known clean sample and noise: the noise, the sample, or <c>alpha noise - sigma x0</c>.</summary>
    /// <param name="type">What the network predicts.</param>
    /// <param name="x0">Clean sample.</param>
    /// <param name="noise">The noise that was added.</param>
    /// <param name="alpha">Signal scale.</param>
    /// <param name="sigma">Noise scale.</param>
    public static double Target(PredictionType type, double x0, double noise, double alpha, double sigma) => type switch
    {
        PredictionType.Eps => noise,
        PredictionType.X0 => x0,
        PredictionType.V => alpha * noise - sigma * x0,
        _ => throw Unknown(type),
    };

    /// <summary>The score of the noised density that a noise prediction stands for: <c>-eps / sigma</c>.</summary>
    /// <param name="eps">Predicted noise.</param>
    /// <param name="sigma">Noise scale, above 0.</param>
    public static double EpsToScore(double eps, double sigma) => -eps / sigma;

    // Kahan's correction: exact to a rounding where log(1 + x) alone loses the low bits of a small x.
    private static double Log1P(double x)
    {
        double y = 1 + x;
        return y is 1 or 0 || double.IsInfinity(y) ? (y == 1 ? x : Math.Log(y)) : Math.Log(y) * (x / (y - 1));
    }

    internal static ArgumentOutOfRangeException Unknown(PredictionType type) =>
        new(nameof(type), type, "Unknown prediction type; expected Eps, X0 or V.");
}
