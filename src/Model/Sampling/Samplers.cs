using System.Globalization;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <summary>
/// Samplers as tables of coefficients computed in double. Those in this part keep their state in VP scale,
/// <c>z = alpha x0 + sigma noise</c>, start from standard normal noise and take their levels noisiest first
/// (<see cref="RespacedSchedule.Levels"/>, <see cref="ContinuousSchedule.Levels"/>, <see cref="NoiseLevel.FromSigmas"/>).
/// N levels make N steps, the last of which returns the clean sample. Primes mark the next, less noisy level.
/// </summary>
public static partial class Samplers
{
    /// <summary>
    /// Ancestral sampling of a discrete chain (Ho et al. 2020; Nichol and Dhariwal 2021): <c>z' = coefX0 x + coefXt z + exp(logVar / 2) n</c>,
    /// no noise in the last step.
    /// </summary>
    /// <param name="schedule">The chain; the network sees its original timesteps.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="variance">Which variance. The learned ones need a network with twice the output channels.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    public static SamplerTable Ancestral(
        RespacedSchedule schedule, Parameterization network, AncestralVariance variance, bool clip = true)
    {
        ArgumentNullException.ThrowIfNull(schedule);
        DiscreteSchedule chain = schedule.Chain;
        NoiseLevel[] levels = schedule.Levels();
        var rows = new SamplerRow[levels.Length];
        for (int i = 0; i < rows.Length; i++)
        {
            int t = rows.Length - 1 - i;
            SamplerRow row = VpRow(levels[i], network, i, clip) with { A = chain.CoefXt[t], B = chain.CoefX0[t] };
            double small = chain.PosteriorLogVariance[t], large = Math.Log(chain.Betas[t]);
            row = variance switch
            {
                AncestralVariance.FixedSmall => row with { C = Math.Sqrt(chain.PosteriorVariance[t]) },
                AncestralVariance.FixedLarge => row with { C = Math.Sqrt(t == 0 && rows.Length > 1 ? chain.PosteriorVariance[1] : chain.Betas[t]) },
                // Bounds -1 and 1 make the interpolation return nu itself.
                AncestralVariance.Learned => row with { LearnedVariance = true, LogVarMin = -1, LogVarMax = 1 },
                AncestralVariance.LearnedRange => row with { LearnedVariance = true, LogVarMin = small, LogVarMax = large },
                _ => throw new ArgumentOutOfRangeException(nameof(variance), variance, "Unknown variance."),
            };
            // The last step adds no noise; its variance is kept for gradients that move the mean.
            rows[i] = row with { NoNoise = t == 0 };
        }

        return new SamplerTable($"ddpm, variance {OptionWords.Of(variance)}", rows, 1, (levels[0].Alpha, levels[0].Sigma)) { IsAncestral = true };
    }

    /// <summary>
    /// Algorithm 2 of classifier-free guidance (Ho and Salimans 2022), for any sequence of levels. With <c>r = exp(logSnr - logSnr')</c>:
    /// <c>z' = r (alpha'/alpha) z + (1 - r) alpha' x + sqrt(1 - r) sigma'^(1-v) sigma^v n</c>. On a discrete chain v = 0 and v = 1 are
    /// ancestral sampling with the small and the large fixed variance.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="v">Interpolation between the two variance bounds in log space, in [0, 1]; the paper used 0.3 and 0.2.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="v"/> lies outside [0, 1].</exception>
    public static SamplerTable Algorithm2(IReadOnlyList<NoiseLevel> levels, Parameterization network, double v = 0.3, bool clip = true)
    {
        RequireUnit(v, nameof(v));
        return Build(Text($"algorithm 2, v={v}"), levels, inEdmScale: false, (i, level, next) =>
        {
            SamplerRow row = VpRow(level, network, i, clip);
            if (next is not { } to) return row with { B = 1 };
            double moved = OneMinusR(level, to);
            return row with
            {
                // r alpha' / alpha, written so that it stays finite as alpha goes to 0.
                A = level.Alpha * to.Sigma * to.Sigma / (level.Sigma * level.Sigma * to.Alpha),
                B = moved * to.Alpha,
                C = Math.Sqrt(moved) * Math.Pow(to.Sigma, 1 - v) * Math.Pow(level.Sigma, v),
            };
        });
    }

    /// <summary>
    /// DDIM (Song et al. 2021): <c>z' = alpha' x + sqrt(sigma'^2 - k^2) eps + k n</c>, <c>k = eta sigma' sqrt(1 - r)</c>,
    /// <c>r = exp(logSnr - logSnr')</c>. Eta 0 is deterministic, 1 equals ancestral sampling with the small variance.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, in [0, 1].</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <param name="rederiveEps">
    /// Take the noise as <c>(z - alpha x) / sigma</c> from the clipped sample, as guided-diffusion does, instead of from the network;
    /// null means when clipping. Without clipping the two agree and the step is a plain combination of state and output.
    /// </param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="eta"/> lies outside [0, 1].</exception>
    public static SamplerTable Ddim(
        IReadOnlyList<NoiseLevel> levels, Parameterization network, double eta = 0, bool clip = true, bool? rederiveEps = null)
    {
        RequireUnit(eta, nameof(eta));
        return Build(Text($"ddim, eta={eta}"), levels, inEdmScale: false, (i, level, next) =>
        {
            SamplerRow row = VpRow(level, network, i, clip);
            if (next is not { } to) return row with { B = 1 };
            double moved = OneMinusR(level, to);
            double keep = to.Sigma * Math.Sqrt(Math.Max(0, 1 - eta * eta * moved));
            return WithEps(row, level, network, to.Alpha, keep, rederiveEps ?? clip) with { C = eta * to.Sigma * Math.Sqrt(moved) };
        });
    }

    /// <summary>
    /// Deterministic DDIM run backwards, from an image to the noise that generates it: the step of eta 0 towards the noisier level, the last
    /// one to pure noise. Each request starts from a <see cref="SampleStart.Picture"/>; what is received is the noise, for <see cref="SampleStart.Noise"/>.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first, as for <see cref="Ddim"/>; they are visited in reverse.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <param name="rederiveEps">As for <see cref="Ddim"/>.</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or one cannot be used with this network.</exception>
    public static SamplerTable DdimInversion(
        IReadOnlyList<NoiseLevel> levels, Parameterization network, bool clip = true, bool? rederiveEps = null)
    {
        RequireLevels(levels);
        var rows = new SamplerRow[levels.Count];
        for (int i = 0; i < rows.Length; i++)
        {
            NoiseLevel level = levels[rows.Length - 1 - i];
            NoiseLevel? next = i + 1 < rows.Length ? levels[rows.Length - 2 - i] : null;
            (double alpha, double sigma) = (next?.Alpha ?? 0, next?.Sigma ?? 1);
            rows[i] = WithEps(VpRow(level, network, i, clip), level, network, alpha, sigma, rederiveEps ?? clip);
        }

        return new SamplerTable("ddim inversion", rows, 0, (1, 0));
    }

    // z' = alpha x + sigma eps, with eps from the clean sample or from the raw output, everything linear folded together.
    private static SamplerRow WithEps(SamplerRow row, NoiseLevel level, Parameterization network, double alpha, double sigma, bool rederive)
    {
        if (rederive) return row with { A = sigma / level.Sigma, B = alpha - sigma * level.Alpha / level.Sigma };
        OutputCoefficients output = network.InVpScale(level);
        row = row with { A = sigma * output.EpsFromZ, B = alpha, E = sigma * output.EpsFromG };
        return row.Clip ? row : row with { A = row.A + alpha * row.XFromZ, B = 0, E = row.E + alpha * row.XFromG };
    }

    private static SamplerRow VpRow(NoiseLevel level, Parameterization network, int step, bool clip) =>
        Row(level, network.InVpScale(level), step, clip) with { Alpha = level.Alpha, Sigma = level.Sigma };

    private static SamplerRow Row(NoiseLevel level, OutputCoefficients output, int step, bool clip) => new()
    {
        InputScale = output.InputScale,
        Timestep = level.Timestep,
        LogSnr = level.LogSnr,
        StepIndex = step,
        XFromZ = output.XFromZ,
        XFromG = output.XFromG,
        Clip = clip,
    };

    private static SamplerTable Build(
        string name, IReadOnlyList<NoiseLevel> levels, bool inEdmScale, Func<int, NoiseLevel, NoiseLevel?, SamplerRow> row)
    {
        RequireLevels(levels);
        var rows = new SamplerRow[levels.Count];
        for (int i = 0; i < rows.Length; i++) rows[i] = row(i, levels[i], i + 1 < rows.Length ? levels[i + 1] : null);
        NoiseLevel first = levels[0];
        return inEdmScale ? new SamplerTable(name, rows, first.SigmaEdm, (1, first.SigmaEdm)) : new SamplerTable(name, rows, 1, (first.Alpha, first.Sigma));
    }

    private static void RequireLevels(IReadOnlyList<NoiseLevel> levels, bool mayRepeat = false)
    {
        ArgumentNullException.ThrowIfNull(levels);
        if (levels.Count == 0) throw new ArgumentException("A sampler needs at least one noise level.", nameof(levels));
        for (int i = 1; i < levels.Count; i++)
        {
            if (!(levels[i].LogSnr > levels[i - 1].LogSnr || (mayRepeat && levels[i].LogSnr == levels[i - 1].LogSnr)))
                throw new ArgumentException(
                    Text($"Noise levels must run from noisy to clean; log-SNR {levels[i].LogSnr} at index {i} follows {levels[i - 1].LogSnr}."), nameof(levels));
        }
    }

    private static void RequireUnit(double value, string name)
    {
        if (!(value >= 0 && value <= 1)) throw new ArgumentOutOfRangeException(name, value, "Must lie in [0, 1].");
    }

    // 1 - exp(logSnr - logSnr'), the share of the forward transition's variance.
    private static double OneMinusR(NoiseLevel level, NoiseLevel next) => -ExpM1(level.LogSnr - next.LogSnr);

    // exp(x) - 1 = 2 sinh(x/2) exp(x/2), which keeps a small x exact; below -50 the product could be infinity times 0.
    private static double ExpM1(double x) =>
        x < -50 ? Math.Exp(x) - 1 : 2 * Math.Sinh(x / 2) * Math.Exp(x / 2);

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
