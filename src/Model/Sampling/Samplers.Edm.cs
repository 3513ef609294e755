using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <content>
/// Samplers with their state in EDM scale, <c>xE = x0 + s noise</c>, starting from noise of the first level. VP networks are wrapped: they
/// read <c>xE / sqrt(1 + s^2)</c> and are told a time by the schedule. The levels exclude the final 0, to which the last step always goes.
/// </content>
public static partial class Samplers
{
    /// <summary>
    /// Euler steps of the probability flow in EDM scale (Karras et al. 2022): <c>z' = (s'/s) z + (1 - s'/s) x</c>; the last returns x.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or the first is pure noise (alpha 0).</exception>
    public static SamplerTable Euler(IReadOnlyList<NoiseLevel> levels, Parameterization network, bool clip = true) =>
        EulerRows("euler", levels, network, 0, clip);

    /// <summary>
    /// Euler steps with fresh noise (k-diffusion's ancestral form): <c>sUp = min(s', eta sqrt(s'^2 (s^2 - s'^2) / s^2))</c>,
    /// <c>sDown = sqrt(s'^2 - sUp^2)</c>, <c>z' = (sDown/s) z + (1 - sDown/s) x + sUp n</c>; the last returns x.
    /// </summary>
    /// <param name="levels">Noise levels, noisiest first.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, at least 0; 0 is <see cref="Euler"/>.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels, they do not become less noisy, or the first is pure noise (alpha 0).</exception>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="eta"/> is negative.</exception>
    public static SamplerTable EulerAncestral(IReadOnlyList<NoiseLevel> levels, Parameterization network, double eta = 1, bool clip = true)
    {
        if (!(eta >= 0) || double.IsInfinity(eta)) throw new ArgumentOutOfRangeException(nameof(eta), eta, "Must be at least 0 and finite.");
        return EulerRows(Text($"euler ancestral, eta={eta}"), levels, network, eta, clip);
    }

    /// <summary>
    /// Heun's second-order sampler (Karras et al. 2022, algorithm 2), two rows per step but one in the last. With <c>S</c> the level after
    /// churn, rounded to one that the network knows (<see cref="INoiseSchedule.RoundSigma"/>): <c>d = (z - x) / S</c>, <c>ze = z + (s' - S) d</c>,
    /// <c>z' = z + (s' - S) (d + (ze - x(ze)) / s') / 2</c>. The churn noise of a step is added by a row of its own before it, which evaluates nothing.
    /// </summary>
    /// <param name="schedule">Tells what the network receives at any level; an <see cref="EdmPreconditioning"/> for EDM networks.</param>
    /// <param name="sigmas">EDM noise levels, largest first, without the final 0 (see <see cref="Spacing.Karras"/>).</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="churn">Noise added back; the default adds none.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels or they increase.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, or the churn is negative.</exception>
    public static SamplerTable Heun(
        INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, HeunChurn churn = default, bool clip = true)
    {
        if (!(churn.Amount >= 0 && churn.NoiseScale >= 0))
            throw new ArgumentOutOfRangeException(nameof(churn), churn, "Churn amount and noise scale must be at least 0.");
        // Levels that were rounded to those which the network knows may repeat, as in EDM: an idle step, or one of churn alone.
        RequireLevels(NoiseLevel.FromSigmas(schedule, sigmas), mayRepeat: true);

        int count = sigmas.Count;
        var raised = new double[count];
        var added = new double[count];
        for (int i = 0; i < count; i++)
        {
            raised[i] = schedule.RoundSigma(churn.RaisedLevel(sigmas[i], count));
            added[i] = Math.Sqrt(Math.Max(0, raised[i] - sigmas[i]) * (raised[i] + sigmas[i])) * churn.NoiseScale;
        }

        var rows = new List<SamplerRow>(2 * count - 1);
        for (int i = 0; i < count; i++)
        {
            double hat = raised[i];
            if (added[i] > 0) rows.Add(ChurnRow(NoiseLevel.FromSigmaEdm(schedule, sigmas[i]), network, i) with { C = added[i] });
            SamplerRow first = EdmRow(NoiseLevel.FromSigmaEdm(schedule, hat), network, i, clip);
            if (i == count - 1)
            {
                rows.Add(first with { B = 1 });
                break;
            }

            double next = sigmas[i + 1], half = (next - hat) / 2;
            rows.Add(first with
            {
                A = next / hat,
                B = (hat - next) / hat,
                StoreHistory = true,
                HistoryFromZ = 1 / hat,
                HistoryFromX = -1 / hat,
                StoreState = true,
            });
            rows.Add(EdmRow(NoiseLevel.FromSigmaEdm(schedule, next), network, i, clip) with
            {
                A = half / next,
                B = -half / next,
                P = half,
                Q = 1,
            });
        }

        string name = churn.Amount > 0 ? Text($"heun, churn={churn.Amount}") : "heun";
        return new SamplerTable(name, rows, sigmas[0], (1, sigmas[0]));
    }

    private static SamplerTable EulerRows(string name, IReadOnlyList<NoiseLevel> levels, Parameterization network, double eta, bool clip)
    {
        RequireLevels(levels);
        return Build(name, levels, inEdmScale: true, (i, level, next) =>
        {
            SamplerRow row = EdmRow(level, network, i, clip);
            if (next is not { } to) return row with { B = 1 };
            double s = level.SigmaEdm, target = to.SigmaEdm;
            double up = Math.Min(target, eta * target * Math.Sqrt((s - target) * (s + target)) / s);
            double down = eta == 0 ? target : Math.Sqrt((target - up) * (target + up));
            return row with { A = down / s, B = (s - down) / s, C = up };
        });
    }

    private static SamplerRow ChurnRow(NoiseLevel level, Parameterization network, int step) =>
        EdmRow(level, network, step, clip: false) with { Evaluates = false, A = 1, XFromZ = 0, XFromG = 0 };

    private static SamplerRow EdmRow(NoiseLevel level, Parameterization network, int step, bool clip) =>
        Row(level, network.InEdmScale(level), step, clip) with { Sigma = level.SigmaEdm, NoisyScale = network.ReadsVpScale ? level.Alpha : 1 };
}
