namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// The discrete levels of improved DDPM (Nichol and Dhariwal 2021) as EDM's networks know them (Karras et al. 2022, table 1):
/// <c>u_M = 0</c> and <c>u_{j-1}^2 = (u_j^2 + 1) / max(a_{j-1} / a_j, C1) - 1</c> with <c>a_j = sin^2(pi j / (2 M (C2 + 1)))</c>. The network
/// receives <c>M - 1 - j</c> of the nearest level.
/// </summary>
public sealed class IddpmSchedule : INoiseSchedule
{
    private readonly double[] _sigmas;

    /// <summary>Creates the schedule.</summary>
    /// <param name="c1">Least ratio of neighbouring levels, in (0, 1).</param>
    /// <param name="c2">Offset of the squared sine, above 0.</param>
    /// <param name="timesteps">Number of levels M, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public IddpmSchedule(double c1 = 0.001, double c2 = 0.008, int timesteps = 1000)
    {
        if (!(c1 > 0 && c1 < 1)) throw new ArgumentOutOfRangeException(nameof(c1), c1, "C1 is above 0 and below 1.");
        if (!(c2 > 0) || double.IsInfinity(c2)) throw new ArgumentOutOfRangeException(nameof(c2), c2, "C2 is above 0 and finite.");
        if (timesteps is < 1 or > 1_000_000) throw new ArgumentOutOfRangeException(nameof(timesteps), timesteps, "The number of levels is 1 to 1000000.");
        double AlphaBar(int j) => Math.Pow(Math.Sin(Math.PI / 2 * j / timesteps / (c2 + 1)), 2);
        _sigmas = new double[timesteps + 1];
        for (int j = timesteps; j > 0; j--)
            _sigmas[j - 1] = Math.Sqrt((_sigmas[j] * _sigmas[j] + 1) / Math.Max(AlphaBar(j - 1) / AlphaBar(j), c1) - 1);
    }

    /// <summary>The levels u_0 to u_M, noisiest first; the last is 0.</summary>
    public IReadOnlyList<double> Sigmas => _sigmas;

    /// <inheritdoc/>
    public (double Least, double Greatest) SigmaRange => (_sigmas[^2], _sigmas[0]);

    /// <inheritdoc/>
    public double RoundSigma(double sigma) => _sigmas[Nearest(sigma)];

    /// <summary>As many different levels, each one of the nearest to those given.</summary>
    /// <param name="sigmas">Largest first, at most M.</param>
    internal double[] Distinct(IReadOnlyList<double> sigmas) =>
        [.. Spacing.Distinct(_sigmas.Length - 1, sigmas.Select(s => Math.Min(Nearest(s), _sigmas.Length - 2))).Select(j => _sigmas[j])];

    /// <inheritdoc/>
    public double TimestepAt(double logSnr) => _sigmas.Length - 2 - Nearest(Conversions.LogSnrToSigmaEdm(logSnr));

    private int Nearest(double sigma)
    {
        int above = 0, below = _sigmas.Length - 1;
        while (below - above > 1)
        {
            int middle = (above + below) / 2;
            if (_sigmas[middle] >= sigma) above = middle;
            else below = middle;
        }
        return Math.Abs(_sigmas[above] - sigma) <= Math.Abs(_sigmas[below] - sigma) ? above : below;
    }
}
