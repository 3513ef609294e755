using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <content>
/// k-diffusion's solvers with a second evaluation between two levels, in EDM scale: two rows a step, one in the last, which returns x.
/// <c>(down, up)</c> are those of <see cref="EulerAncestral"/>.
/// </content>
public static partial class Samplers
{
    /// <summary>
    /// DPM-Solver-2 in Karras' form: with S the level after churn and <c>m = sqrt(S s')</c>, <c>zm = z + (m - S) (z - x) / S</c>,
    /// <c>z' = z + (s' - S) (zm - x(zm)) / m</c>.
    /// </summary>
    /// <param name="schedule">Tells what the network receives at any level.</param>
    /// <param name="sigmas">EDM noise levels, largest first, without the final 0.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="churn">Noise added back, as for <see cref="Heun"/>; the default adds none.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels or they increase.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, or the churn is negative.</exception>
    public static SamplerTable Dpm2(
        INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, HeunChurn churn = default, bool clip = true) =>
        Churned("dpm2", schedule, sigmas, network, churn, clip, (first, hat, next) => Dpm2Rows(schedule, network, first, hat, next));

    /// <summary>DPM-Solver-2 with fresh noise: steps of <see cref="Dpm2"/> to <c>down</c>, then <c>up n</c>.</summary>
    /// <param name="schedule">Tells what the network receives at any level.</param>
    /// <param name="sigmas">EDM noise levels, largest first, without the final 0.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, at least 0.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels or they do not decrease.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, or eta is negative.</exception>
    public static SamplerTable Dpm2Ancestral(
        INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, double eta = 1, bool clip = true) =>
        TwoStages(Text($"dpm2 ancestral, eta={eta}"), schedule, sigmas, network, eta, clip, (first, s, next) =>
        {
            var (down, up) = Ancestral(s, next, eta);
            if (down == 0) return [first with { B = 1, C = up }];
            SamplerRow[] rows = Dpm2Rows(schedule, network, first, s, down);
            rows[^1] = rows[^1] with { C = up };
            return rows;
        });

    /// <summary>
    /// DPM-Solver++(2S) with fresh noise: to <c>t = down</c>, with <c>h = log(s / t)</c> and <c>m = sqrt(s t)</c>,
    /// <c>zm = (m/s) z + (1 - exp(-h/2)) x</c>, <c>z' = (t/s) z + (1 - exp(-h)) x(zm) + up n</c>.
    /// </summary>
    /// <param name="schedule">Tells what the network receives at any level.</param>
    /// <param name="sigmas">EDM noise levels, largest first, without the final 0.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, at least 0.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels or they do not decrease.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, or eta is negative.</exception>
    public static SamplerTable DpmSolver2SAncestral(
        INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, double eta = 1, bool clip = true) =>
        TwoStages(Text($"dpm-solver++(2s) ancestral, eta={eta}"), schedule, sigmas, network, eta, clip, (first, s, next) =>
        {
            var (down, up) = Ancestral(s, next, eta);
            if (down == 0) return [first with { B = 1, C = up }];
            double middle = Math.Sqrt(s * down);
            return
            [
                first with { A = middle / s, B = (s - middle) / s, StoreState = true },
                Between(schedule, network, first, middle) with { Q = down / s, B = (s - down) / s, C = up },
            ];
        });

    /// <summary>
    /// DPM-Solver++ SDE: with <c>h = log(s / s')</c>, <c>m = s exp(-r h)</c>, <c>(down, up)</c> of the step to m,
    /// <c>zm = (down/s) z + (1 - down/s) x + up n1</c>; then with those of the step to s' and <c>f = 1 / (2 r)</c>,
    /// <c>z' = (down/s) z + (1 - down/s) ((1 - f) x + f x(zm)) + up n2</c>. The two noises are independent (k-diffusion's Brownian tree makes them depend
    /// on each other, as their intervals overlap).
    /// </summary>
    /// <param name="schedule">Tells what the network receives at any level.</param>
    /// <param name="sigmas">EDM noise levels, largest first, without the final 0.</param>
    /// <param name="network">What the network predicts.</param>
    /// <param name="eta">Share of fresh noise, at least 0.</param>
    /// <param name="r">Where between the levels the second evaluation lies, above 0 and at most 1.</param>
    /// <param name="clip">Clamp the clean sample to [-1, 1].</param>
    /// <exception cref="ArgumentException">There are no levels or they do not decrease.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A level is not positive and finite, eta is negative, or r out of range.</exception>
    public static SamplerTable DpmSolverSde(
        INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, double eta = 1, double r = 0.5, bool clip = true)
    {
        if (!(r > 0 && r <= 1)) throw new ArgumentOutOfRangeException(nameof(r), r, "The second evaluation lies between the levels: r is above 0 and at most 1.");
        return TwoStages(Text($"dpm-solver++ sde, eta={eta}"), schedule, sigmas, network, eta, clip, (first, s, next) =>
        {
            double middle = s * Math.Pow(next / s, r), f = 1 / (2 * r);
            var (toMiddle, noise) = Ancestral(s, middle, eta);
            var (down, up) = Ancestral(s, next, eta);
            double moved = (s - down) / s;
            return
            [
                first with { A = toMiddle / s, B = (s - toMiddle) / s, C = noise, StoreHistory = true, HistoryFromX = 1, StoreState = true },
                Between(schedule, network, first, middle) with { Q = down / s, P = moved * (1 - f), B = moved * f, C = up, NoiseIndex = 1 },
            ];
        });
    }

    private static SamplerRow[] Dpm2Rows(INoiseSchedule schedule, Parameterization network, SamplerRow first, double s, double target)
    {
        double middle = Math.Sqrt(s * target), move = target - s;
        return
        [
            first with { A = middle / s, B = (s - middle) / s, StoreState = true },
            Between(schedule, network, first, middle) with { Q = 1, A = move / middle, B = -move / middle },
        ];
    }

    private static SamplerRow Between(INoiseSchedule schedule, Parameterization network, SamplerRow first, double middle) =>
        EdmRow(NoiseLevel.FromSigmaEdm(schedule, middle), network, first.StepIndex, first.Clip);

    private static SamplerTable TwoStages(
        string name, INoiseSchedule schedule, IReadOnlyList<double> sigmas, Parameterization network, double eta, bool clip,
        Func<SamplerRow, double, double, SamplerRow[]> step)
    {
        RequireEta(eta);
        NoiseLevel[] levels = NoiseLevel.FromSigmas(schedule, sigmas);
        RequireLevels(levels);
        var rows = new List<SamplerRow>(2 * levels.Length - 1);
        for (int i = 0; i < levels.Length; i++)
        {
            SamplerRow first = EdmRow(levels[i], network, i, clip);
            if (i + 1 < levels.Length) rows.AddRange(step(first, levels[i].SigmaEdm, levels[i + 1].SigmaEdm));
            else rows.Add(first with { B = 1 });
        }
        return new SamplerTable(name, rows, sigmas[0], (1, sigmas[0]));
    }
}
