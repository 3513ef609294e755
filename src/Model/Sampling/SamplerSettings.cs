using System.Globalization;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <summary>The samplers of <see cref="Samplers"/>.</summary>
public enum SamplerKind
{
    /// <summary>DPM-Solver++(2M), second order, deterministic: good at 10 to 30 steps.</summary>
    DpmSolver2M,

    /// <summary>DDIM; deterministic at eta 0.</summary>
    Ddim,

    /// <summary>Ancestral DDPM on a discrete schedule.</summary>
    Ancestral,

    /// <summary>Algorithm 2 of classifier-free guidance, with variance interpolation v.</summary>
    Algorithm2,

    /// <summary>Euler steps in EDM sigma-space.</summary>
    Euler,

    /// <summary>Euler steps with fresh noise.</summary>
    EulerAncestral,

    /// <summary>Heun's second-order steps in EDM sigma-space: two network evaluations a step.</summary>
    Heun,
}

/// <summary>How the noise levels are spaced.</summary>
public enum SpacingKind
{
    /// <summary>Evenly spaced timesteps, both ends included (the sections rule on a discrete schedule, Karras in EDM's sigma).</summary>
    Uniform,

    /// <summary>Equal sections of the timesteps (guided-diffusion's "N" rule).</summary>
    Section,

    /// <summary>guided-diffusion's "ddimN" rule: a fixed integer stride from timestep 0.</summary>
    DdimN,

    /// <summary>Uniform in the schedule's u, from noise to data (Ho and Salimans 2022).</summary>
    UniformU,

    /// <summary>Logistic in u: dense at both ends.</summary>
    Sigmoid,

    /// <summary>Karras et al. 2022, rho 7, over the schedule's range of sigma.</summary>
    Karras,

    /// <summary>Evenly spaced log-SNR.</summary>
    LogSnrUniform,
}

/// <summary>Which sampler, in how many steps; becomes a <see cref="SamplerTable"/> for one model's schedule.</summary>
public sealed record SamplerSettings
{
    // The levels between these hold all that a picture of 8 bits can show.
    private const double SmallestSigma = 0.002, LargestSigma = 80;

    /// <summary>The sampler.</summary>
    public SamplerKind Kind { get; init; } = SamplerKind.DpmSolver2M;

    /// <summary>Steps, at least 1 (2 for most spacings).</summary>
    public int Steps { get; init; } = 20;

    /// <summary>Spacing of the levels.</summary>
    public SpacingKind Spacing { get; init; } = SpacingKind.Uniform;

    /// <summary>Fresh noise of DDIM (0 to 1; 0 when left out) and of Euler ancestral (1 when left out).</summary>
    public double? Eta { get; init; }

    /// <summary>Variance interpolation of Algorithm 2, 0 to 1.</summary>
    public double V { get; init; } = 0.3;

    /// <summary>Variance of ancestral steps; null takes the learned range where the network has it, else the small one.</summary>
    public AncestralVariance? Variance { get; init; }

    /// <summary>Noise that <see cref="SamplerKind.Heun"/> adds back on the way; none when left out.</summary>
    public HeunChurn Churn { get; init; } = HeunChurn.None;

    /// <summary>Clamp the predicted clean image to [-1, 1].</summary>
    public bool Clip { get; init; } = true;

    /// <summary>The table for a model.</summary>
    /// <exception cref="ArgumentException">The combination is not possible; the message says what to choose instead.</exception>
    public SamplerTable Build(DiffusionModel model)
    {
        var network = model.Settings.Parameterization;
        return Kind switch
        {
            SamplerKind.Ancestral => Samplers.Ancestral(
                Discrete(model), network, Variance ?? (model.LearnsVariance ? AncestralVariance.LearnedRange : AncestralVariance.FixedSmall), Clip),
            SamplerKind.Ddim => Samplers.Ddim(Levels(model), network, Eta ?? 0, Clip),
            SamplerKind.Algorithm2 => Samplers.Algorithm2(Levels(model), network, V, Clip),
            SamplerKind.DpmSolver2M => Samplers.DpmSolver2M(Levels(model), network, Clip),
            SamplerKind.Euler => Samplers.Euler(Levels(model), network, Clip),
            SamplerKind.EulerAncestral => Samplers.EulerAncestral(Levels(model), network, Eta ?? 1, Clip),
            SamplerKind.Heun => Samplers.Heun(model.Settings.NoiseSchedule(), [.. Levels(model).Select(l => l.SigmaEdm)], network, Churn, Clip),
            _ => throw new ArgumentException($"Unknown sampler {Kind}."),
        };
    }

    private NoiseLevel[] Levels(DiffusionModel model)
    {
        bool edm = model.Settings.HasSigmas;
        if (Spacing is SpacingKind.Karras or SpacingKind.LogSnrUniform || (edm && Spacing == SpacingKind.Uniform))
        {
            var schedule = model.Settings.NoiseSchedule();
            double smallest = Math.Max(SmallestSigma, schedule.SigmaRange.Least), largest = Math.Min(LargestSigma, schedule.SigmaRange.Greatest);
            double[] sigmas = Spacing == SpacingKind.LogSnrUniform ? Schedules.Spacing.Exponential(Steps, smallest, largest) : Schedules.Spacing.Karras(Steps, smallest, largest);
            return NoiseLevel.FromSigmas(schedule, [.. sigmas.Select(schedule.RoundSigma).Distinct()]);
        }
        if (edm) throw new ArgumentException($"Spacing {Spacing} places timesteps or u, which a model in EDM's sigma has not; use karras or log-snr.");
        if (model.Settings.Schedule != NoiseScheduleKind.Continuous) return Discrete(model).Levels();
        return model.Settings.Continuous().Levels(Spacing switch
        {
            SpacingKind.Uniform or SpacingKind.UniformU => Schedules.Spacing.UniformU(Steps),
            SpacingKind.Sigmoid => Schedules.Spacing.Sigmoid(Steps),
            _ => throw new ArgumentException($"Spacing {Spacing} picks discrete timesteps, which a continuous schedule has not; use uniform, uniform-u, sigmoid, karras or log-snr."),
        });
    }

    private RespacedSchedule Discrete(DiffusionModel model)
    {
        if (model.Settings.HasSigmas || model.Settings.Schedule == NoiseScheduleKind.Continuous)
            throw new ArgumentException(
                $"Ancestral sampling needs a discrete schedule, and this model has the {model.Settings.Schedule} one; use algorithm2 with v = 0, or euler-a.");
        var schedule = model.Settings.Discrete();
        int[] kept = Spacing switch
        {
            SpacingKind.Uniform or SpacingKind.Section => Schedules.Spacing.Section(schedule.Timesteps, Steps.ToString(CultureInfo.InvariantCulture)),
            SpacingKind.DdimN => Schedules.Spacing.DdimN(schedule.Timesteps, Steps),
            SpacingKind.UniformU => FromU(Schedules.Spacing.UniformU(Steps), schedule.Timesteps),
            SpacingKind.Sigmoid => FromU(Schedules.Spacing.Sigmoid(Steps), schedule.Timesteps),
            _ => throw new ArgumentException($"Spacing {Spacing} places levels between the timesteps, which {Kind} cannot use; use uniform, section, ddim-n, uniform-u or sigmoid."),
        };
        return schedule.Respace(kept);
    }

    private static int[] FromU(double[] us, int timesteps) => [.. us.Select(u => (int)Math.Round(u * (timesteps - 1))).Distinct().Order()];
}
