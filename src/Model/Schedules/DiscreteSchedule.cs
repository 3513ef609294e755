using System.Collections.Immutable;

namespace NativeDiffusion.Model.Schedules;

/// <summary>
/// A discrete noise schedule of T timesteps, 0 the least noisy, with everything derived from its betas in double
/// (Ho et al. 2020; Nichol and Dhariwal 2021): <c>alphaBar[t] = prod (1 - beta[i])</c>, i up to t, and <c>alphaBar[-1] = 1</c>.
/// </summary>
public sealed class DiscreteSchedule : INoiseSchedule
{
    private DiscreteSchedule(ReadOnlySpan<double> betas)
    {
        int count = betas.Length;
        if (count == 0) throw new ArgumentException("A schedule needs at least one timestep.", nameof(betas));
        double[] alphaBar = new double[count], variance = new double[count], logVariance = new double[count];
        double[] coefX0 = new double[count], coefXt = new double[count], logSnr = new double[count];
        double previous = 1;
        for (int t = 0; t < count; t++)
        {
            double beta = betas[t];
            if (!(beta > 0 && (beta < 1 || (beta == 1 && t == count - 1))))
                throw new ArgumentOutOfRangeException(nameof(betas), beta, $"beta[{t}] must lie in (0, 1); only the last of {count} may be 1.");
            alphaBar[t] = previous * (1 - beta);
            double noise = 1 - alphaBar[t];
            variance[t] = beta * (1 - previous) / noise;
            coefX0[t] = beta * Math.Sqrt(previous) / noise;
            coefXt[t] = (1 - previous) * Math.Sqrt(1 - beta) / noise;
            logSnr[t] = Conversions.AlphaBarToLogSnr(alphaBar[t]);
            previous = alphaBar[t];
        }

        for (int t = 1; t < count; t++) logVariance[t] = Math.Log(variance[t]);
        logVariance[0] = count > 1 ? logVariance[1] : Math.Log(betas[0]);

        Betas = [.. betas];
        AlphaBar = ImmutableArray.Create(alphaBar);
        PosteriorVariance = ImmutableArray.Create(variance);
        PosteriorLogVariance = ImmutableArray.Create(logVariance);
        CoefX0 = ImmutableArray.Create(coefX0);
        CoefXt = ImmutableArray.Create(coefXt);
        LogSnr = ImmutableArray.Create(logSnr);
    }

    /// <summary>T, the number of timesteps.</summary>
    public int Timesteps => Betas.Length;

    /// <summary>Variance added by each forward step.</summary>
    public ImmutableArray<double> Betas { get; }

    /// <summary>Cumulative product of <c>1 - beta</c>: the squared signal scale.</summary>
    public ImmutableArray<double> AlphaBar { get; }

    /// <summary><c>beta[t] (1 - alphaBar[t-1]) / (1 - alphaBar[t])</c>; 0 at t = 0.</summary>
    public ImmutableArray<double> PosteriorVariance { get; }

    /// <summary>
    /// Logarithm of <see cref="PosteriorVariance"/>; entry 0, whose variance is 0, repeats entry 1 (or is <c>log beta[0]</c> when there is no other).
    /// </summary>
    public ImmutableArray<double> PosteriorLogVariance { get; }

    /// <summary>Weight of x0 in the posterior mean: <c>beta[t] sqrt(alphaBar[t-1]) / (1 - alphaBar[t])</c>.</summary>
    public ImmutableArray<double> CoefX0 { get; }

    /// <summary>Weight of the state in the posterior mean: <c>(1 - alphaBar[t-1]) sqrt(1 - beta[t]) / (1 - alphaBar[t])</c>.</summary>
    public ImmutableArray<double> CoefXt { get; }

    /// <summary><c>log(alphaBar[t] / (1 - alphaBar[t]))</c>, strictly decreasing; negative infinity last with zero terminal SNR.</summary>
    public ImmutableArray<double> LogSnr { get; }

    /// <summary>Signal scale <c>sqrt(alphaBar[t])</c>.</summary>
    /// <param name="t">In [0, T).</param>
    public double Alpha(int t) => Math.Sqrt(AlphaBar[t]);

    /// <summary>Noise scale <c>sqrt(1 - alphaBar[t])</c>.</summary>
    /// <param name="t">In [0, T).</param>
    public double Sigma(int t) => Math.Sqrt(1 - AlphaBar[t]);

    /// <summary>The level in EDM scale, <c>sqrt((1 - alphaBar[t]) / alphaBar[t])</c>.</summary>
    /// <param name="t">In [0, T).</param>
    public double SigmaEdm(int t) => Conversions.AlphaBarToSigmaEdm(AlphaBar[t]);

    /// <summary>A schedule from its betas.</summary>
    /// <param name="betas">Each in (0, 1); the last may be 1.</param>
    /// <exception cref="ArgumentException">There are none.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A beta lies outside its range.</exception>
    public static DiscreteSchedule FromBetas(IReadOnlyList<double> betas)
    {
        ArgumentNullException.ThrowIfNull(betas);
        return new DiscreteSchedule([.. betas]);
    }

    /// <summary>The linear schedule: betas equally spaced from <c>0.1 / T</c> to <c>20 / T</c> (1e-4 to 0.02 for T = 1000).</summary>
    /// <param name="timesteps">T, at least 21 so that every beta is below 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">T is too small.</exception>
    public static DiscreteSchedule Linear(int timesteps)
    {
        if (timesteps < 21) throw new ArgumentOutOfRangeException(nameof(timesteps), timesteps, "The linear schedule needs at least 21 timesteps.");
        double scale = 1000.0 / timesteps;
        return Linear(timesteps, scale * 1e-4, scale * 0.02);
    }

    /// <summary>A linear schedule: betas equally spaced between two.</summary>
    /// <param name="timesteps">T, at least 1.</param>
    /// <param name="first">Beta of the least noisy timestep, in (0, 1).</param>
    /// <param name="last">That of the noisiest, in (0, 1); unused where there is but one timestep.</param>
    /// <exception cref="ArgumentException">T is not positive.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A beta lies outside its range.</exception>
    public static DiscreteSchedule Linear(int timesteps, double first, double last) => new(Even(timesteps, first, last));

    /// <summary>The schedule of latent diffusion (Rombach et al. 2021): the square roots of the betas are equally spaced.</summary>
    /// <inheritdoc cref="Linear(int, double, double)"/>
    public static DiscreteSchedule ScaledLinear(int timesteps, double first, double last)
    {
        double[] roots = Even(timesteps, Math.Sqrt(first), Math.Sqrt(last));
        return new DiscreteSchedule([.. roots.Select(root => root * root)]);
    }

    /// <summary>
    /// The cosine schedule (Nichol and Dhariwal 2021): <c>beta = min(1 - f((i+1)/T) / f(i/T), 0.999)</c>,
    /// <c>f(u) = cos^2((u + 0.008) / 1.008 * pi / 2)</c>.
    /// </summary>
    /// <param name="timesteps">T, at least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">T is not positive.</exception>
    public static DiscreteSchedule Cosine(int timesteps) => FromAlphaBar(timesteps, u =>
    {
        double c = Math.Cos((u + 0.008) / 1.008 * Math.PI / 2);
        return c * c;
    });

    /// <summary>
    /// The sigmoid schedule (Jabri et al. 2022): alphaBar follows a logistic curve from <paramref name="start"/> to <paramref name="end"/>,
    /// rescaled to run from 1 to 0, with betas capped at 0.999.
    /// </summary>
    /// <param name="timesteps">T, at least 1.</param>
    /// <param name="start">Where on the logistic curve u = 0 lies.</param>
    /// <param name="end">Where u = 1 lies, above <paramref name="start"/>.</param>
    /// <param name="temperature">Divides both, above 0.</param>
    /// <exception cref="ArgumentOutOfRangeException">T is not positive, or the curve is empty.</exception>
    public static DiscreteSchedule Sigmoid(int timesteps, double start = -3, double end = 3, double temperature = 1)
    {
        if (!(start < end) || !(temperature > 0))
            throw new ArgumentOutOfRangeException(nameof(end), end, $"Needs start < end and temperature > 0; got {start}, {end}, {temperature}.");
        double first = Conversions.LogSnrToAlphaBar(start / temperature), last = Conversions.LogSnrToAlphaBar(end / temperature);
        return FromAlphaBar(timesteps, u => (last - Conversions.LogSnrToAlphaBar((u * (end - start) + start) / temperature)) / (last - first));
    }

    /// <summary>
    /// The same schedule with its last timestep made pure noise (Lin et al. 2023): <c>sqrt(alphaBar)</c> is shifted and stretched so that the
    /// last entry is 0 and the first is kept. Needs a network that predicts v or x0.
    /// </summary>
    /// <exception cref="InvalidOperationException">There is only one timestep.</exception>
    public DiscreteSchedule WithZeroTerminalSnr()
    {
        if (Timesteps < 2) throw new InvalidOperationException("Zero terminal SNR needs at least two timesteps.");
        double first = Alpha(0), last = Alpha(Timesteps - 1), previous = 1;
        double[] betas = new double[Timesteps];
        for (int t = 0; t < Timesteps; t++)
        {
            double alpha = (Alpha(t) - last) * (first / (first - last));
            betas[t] = 1 - alpha * alpha / previous;
            previous = alpha * alpha;
        }

        return new DiscreteSchedule(betas);
    }

    /// <summary>The same schedule, of which the network receives the timesteps as they are or, rescaled, times <c>1000 / T</c>.</summary>
    /// <param name="rescaled">Whether they are rescaled.</param>
    public DiscreteSchedule WithTimesteps(bool rescaled) => rescaled == RescalesTimesteps ? this : new DiscreteSchedule(Betas.AsSpan()) { RescalesTimesteps = rescaled };

    /// <summary>A shorter chain through some of the timesteps; the network goes on seeing the original ones.</summary>
    /// <param name="kept">Timesteps in strictly increasing order (see <see cref="Spacing"/>).</param>
    /// <exception cref="ArgumentException">None is kept, or they are out of order or range.</exception>
    public RespacedSchedule Respace(IReadOnlyList<int> kept) => new(this, kept);

    /// <inheritdoc/>
    public (double Least, double Greatest) SigmaRange => (SigmaEdm(0), SigmaEdm(Timesteps - 1));

    /// <summary>Whether the network receives timesteps times <c>1000 / T</c>, as those of improved-diffusion do.</summary>
    public bool RescalesTimesteps { get; private init; }

    /// <summary>What the network receives at a timestep.</summary>
    /// <param name="t">In [0, T), or between two timesteps.</param>
    public double NetworkTimestep(double t) => RescalesTimesteps ? t * (1000.0 / Timesteps) : t;

    /// <inheritdoc/>
    /// <remarks>Piecewise linear in log noise between timesteps; see <see cref="Conversions.LogSnrToTimestep"/>.</remarks>
    public double TimestepAt(double logSnr) => NetworkTimestep(Conversions.LogSnrToTimestep(LogSnr.AsSpan(), logSnr));

    private static double[] Even(int timesteps, double first, double last)
    {
        double step = (last - first) / (timesteps - 1);
        return [.. Enumerable.Range(0, Math.Max(0, timesteps)).Select(t => t == timesteps - 1 && t > 0 ? last : t == 0 ? first : first + t * step)];
    }

    private static DiscreteSchedule FromAlphaBar(int timesteps, Func<double, double> alphaBar)
    {
        if (timesteps < 1) throw new ArgumentOutOfRangeException(nameof(timesteps), timesteps, "A schedule needs at least one timestep.");
        double[] betas = new double[timesteps];
        for (int i = 0; i < timesteps; i++)
            betas[i] = Math.Min(1 - alphaBar((i + 1.0) / timesteps) / alphaBar((double)i / timesteps), 0.999);
        return new DiscreteSchedule(betas);
    }
}
