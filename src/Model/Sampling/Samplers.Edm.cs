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
        RequireEta(eta);
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
        return Churned("heun", schedule, sigmas, network, churn, clip, (first, hat, next) =>
        {
            double half = (next - hat) / 2;
            return
            [
                first with
                {
                    A = next / hat, B = (hat - next) / hat, StoreHistory = true, HistoryFromZ = 1 / hat, HistoryFromX = -1 / hat, StoreState = true,
                },
                EdmRow(NoiseLevel.FromSigmaEdm(schedule, next), network, first.StepIndex, clip) with { A = half / next, B = -half / next, P = half, Q = 1 },
            ];
        });
    }

    /// <summary>
    /// Euler steps with churn (Karras et al. 2022, algorithm 2 without its corrector, as k-diffusion has it): <c>z' = (s'/S) z + (1 - s'/S) x</c>, S the level
    /// after churn, whose noise is added by a row of its own; the last step returns x.
    /// </summary>
    /// <param name="schedule">As for <see cref="Heun"/>.</param>
    /// <param name="sigmas">As for <see cref="Heun"/>.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="churn">Noise added back.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels or they increase.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, or the churn is negative.</exception>
    public static SamplerTable EulerWithChurn(INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, HeunChurn churn, bool clip = true) =>
        Churned("euler", schedule, sigmas, network, churn, clip, (first, hat, next) => [first with { A = next / hat, B = (hat - next) / hat }]);

    /// <summary>Steps from a level that churn has raised: <paramref name="step"/> gets the first row, the raised level and the next.</summary>
    private static SamplerTable Churned(
        string name, INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, HeunChurn churn, bool clip,
        Func<SamplerRow, double, double, SamplerRow[]> step)
    {
        if (!(churn.Amount >= 0 && churn.NoiseScale >= 0))
            throw new ArgumentOutOfRangeException(nameof(churn), churn, "Churn amount and noise scale must be at least 0.");
        // Levels that were rounded to those which the network knows may repeat, as in EDM: an idle step, or one of churn alone.
        RequireLevels(NoiseLevel.FromSigmas(schedule, sigmas), mayRepeat: true);
        var rows = new List<SamplerRow>(2 * sigmas.Count - 1);
        for (int i = 0; i < sigmas.Count; i++)
        {
            double hat = schedule.RoundSigma(churn.RaisedLevel(sigmas[i], sigmas.Count));
            double added = Math.Sqrt(Math.Max(0, hat - sigmas[i]) * (hat + sigmas[i])) * churn.NoiseScale;
            if (added > 0) rows.Add(ChurnRow(NoiseLevel.FromSigmaEdm(schedule, sigmas[i]), network, i) with { C = added });
            SamplerRow first = EdmRow(NoiseLevel.FromSigmaEdm(schedule, hat), network, i, clip);
            if (i + 1 < sigmas.Count) rows.AddRange(step(first, hat, sigmas[i + 1]));
            else rows.Add(first with { B = 1 });
        }
        return new SamplerTable(churn.Amount > 0 ? Text($"{name}, churn={churn.Amount}") : name, rows, sigmas[0], (1, sigmas[0]));
    }

    private static SamplerTable EulerRows(string name, IReadOnlyList<NoiseLevel> levels, Parameterization network, double eta, bool clip)
    {
        RequireLevels(levels);
        return Build(name, levels, inEdmScale: true, (i, level, next) =>
        {
            SamplerRow row = EdmRow(level, network, i, clip);
            if (next is not { } to) return row with { B = 1 };
            double s = level.SigmaEdm;
            var (down, up) = Ancestral(s, to.SigmaEdm, eta);
            return row with { A = down / s, B = (s - down) / s, C = up };
        });
    }

    /// <summary>To what level a step with fresh noise goes without it, and how much noise then leads to <paramref name="target"/>.</summary>
    private static (double Down, double Up) Ancestral(double s, double target, double eta)
    {
        double up = Math.Min(target, eta * target * Math.Sqrt((s - target) * (s + target)) / s);
        return (eta == 0 ? target : Math.Sqrt((target - up) * (target + up)), up);
    }

    private static SamplerRow ChurnRow(NoiseLevel level, Parameterization network, int step) =>
        EdmRow(level, network, step, clip: false) with { Evaluates = false, A = 1, XFromZ = 0, XFromG = 0 };

    private static SamplerRow EdmRow(NoiseLevel level, Parameterization network, int step, bool clip) =>
        Row(level, network.InEdmScale(level), step, clip) with { Sigma = level.SigmaEdm, NoisyScale = network.ReadsVpScale ? level.Alpha : 1 };
}
