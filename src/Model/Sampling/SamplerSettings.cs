using System.Globalization;
using NativeDiffusion.Model.Guiders;
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

    // Heun's second evaluation multiplies the network's error by half of what the step divides sigma by; above this noise stays in the picture.
    // With fewer than five steps nothing after such a step mends it; there 8 is the bound (100 leaves 20 of 50 digits recognised, 20 nearly all, 8 all).
    private const double GreatestHeunRatio = 100, FewStepsHeunRatio = 8;

    // Share of the picture's variance that may be missing from pure noise at the first level.
    private const double MostSignal = 0.1;

    /// <summary>The sampler.</summary>
    public SamplerKind Kind { get; init; } = SamplerKind.DpmSolver2M;

    /// <summary>Steps, at least 1, and at most the timesteps that the model has. One is the clean prediction from the noisiest level.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>
    /// Spacing of the levels. Null takes what suits the sampler: Karras for those in sigma space (Euler, Euler ancestral, Heun) and for models in EDM's
    /// sigma, else uniform.
    /// </summary>
    public SpacingKind? Spacing { get; init; }

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

    /// <summary>The spacing that is used with a model: <see cref="Spacing"/>, or what suits the sampler.</summary>
    public SpacingKind SpacingFor(DiffusionModel model) => Spacing switch
    {
        // In EDM's sigma there is nothing else to be uniform in; files of EDM models may say so.
        null or SpacingKind.Uniform when model.Settings.HasSigmas => SpacingKind.Karras,
        null => Kind is SamplerKind.Euler or SamplerKind.EulerAncestral or SamplerKind.Heun ? SpacingKind.Karras : SpacingKind.Uniform,
        { } spacing => spacing,
    };

    /// <summary>The table for a model.</summary>
    /// <exception cref="ArgumentException">The combination is not possible; the message says what to choose instead.</exception>
    public SamplerTable Build(DiffusionModel model) => Build(model, guidance: null);

    /// <summary>The table for a model and a guidance, which may need the step's noise to follow from the clean sample that it moves.</summary>
    /// <exception cref="ArgumentException">The combination is not possible; the message says what to choose instead.</exception>
    public SamplerTable Build(DiffusionModel model, Guidance? guidance)
    {
        bool? rederives = guidance is { MovesDenoised: true } ? true : null;
        var network = model.Settings.Parameterization;
        return Kind switch
        {
            SamplerKind.Ancestral => Samplers.Ancestral(
                Discrete(model), network, Variance ?? (model.LearnsVariance ? AncestralVariance.LearnedRange : AncestralVariance.FixedSmall), Clip),
            SamplerKind.Ddim => Samplers.Ddim(Levels(model), network, Eta ?? 0, Clip, rederives),
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
        RequireSteps(model.Settings);
        var spacing = SpacingFor(model);
        var settings = model.Settings;
        if (settings.HasSigmas || (Steps > 1 && spacing is SpacingKind.Karras or SpacingKind.LogSnrUniform)) return SigmaLevels(settings, spacing);
        var levels = settings.Schedule != NoiseScheduleKind.Continuous ? Discrete(model).Levels() : settings.Continuous().Levels(spacing switch
        {
            _ when Steps == 1 => [1],
            SpacingKind.Uniform or SpacingKind.UniformU => Schedules.Spacing.UniformU(Steps),
            SpacingKind.Sigmoid => Schedules.Spacing.Sigmoid(Steps),
            _ => throw new ArgumentException($"Spacing {spacing} picks discrete timesteps, which a continuous schedule has not; use uniform, uniform-u, sigmoid, karras or log-snr."),
        });
        if (Kind == SamplerKind.Heun) RequireHeunRatio(levels, spacing);
        return levels;
    }

    private NoiseLevel[] SigmaLevels(DiffusionSettings settings, SpacingKind spacing)
    {
        if (spacing is not (SpacingKind.Karras or SpacingKind.LogSnrUniform))
            throw new ArgumentException($"Spacing {spacing} places timesteps or u, which a model in EDM's sigma has not; use karras or log-snr.");
        var schedule = settings.NoiseSchedule();
        bool even = spacing == SpacingKind.LogSnrUniform;
        double greatest = Math.Min(LargestSigma, schedule.SigmaRange.Greatest), least = Math.Max(SmallestSigma, schedule.SigmaRange.Least);
        if (Kind == SamplerKind.Heun) least = Math.Max(least, LeastHeunSigma(greatest, even));
        double[] sigmas = even ? Schedules.Spacing.Exponential(Steps, least, greatest) : Schedules.Spacing.Karras(Steps, least, greatest);
        // Heun repeats a level where EDM does.
        return NoiseLevel.FromSigmas(schedule, schedule is IddpmSchedule levels && Kind != SamplerKind.Heun ? levels.Distinct(sigmas) : [.. sigmas.Select(schedule.RoundSigma)]);
    }

    // With few steps the range ends early, so that no step divides sigma by more than the bound; by how much the last one does is greatest in Karras' rule.
    private double LeastHeunSigma(double greatest, bool even)
    {
        if (Steps == 1) return 0;
        double ratio = Steps < 5 ? FewStepsHeunRatio : GreatestHeunRatio;
        if (even) return greatest / Math.Pow(ratio, Steps - 1);
        double root = (Steps - 1) * Math.Pow(ratio, 1.0 / 7) - (Steps - 2);
        return greatest / Math.Pow(root, 7);
    }

    private static void RequireHeunRatio(NoiseLevel[] levels, SpacingKind spacing)
    {
        for (int i = 1; i < levels.Length; i++)
        {
            double from = levels[i - 1].SigmaEdm, to = levels[i].SigmaEdm;
            if (!(from <= GreatestHeunRatio * to))
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"With spacing {spacing} and {levels.Length} steps, Heun would step from sigma {from:G4} to {to:G4}: a step that divides sigma by more than {GreatestHeunRatio} leaves noise in the picture. Leave the spacing out, or use karras or log-snr."));
        }
    }

    private void RequireSteps(DiffusionSettings settings)
    {
        if (Steps < 1) throw new ArgumentException($"A sampler takes at least 1 step; got {Steps}.");
        int? known = settings.Schedule switch
        {
            NoiseScheduleKind.Linear or NoiseScheduleKind.Cosine or NoiseScheduleKind.Iddpm => settings.Timesteps,
            _ => null,
        };
        if (Steps > known) throw new ArgumentException($"{Steps} steps are more than the {known} noise levels that the model was trained on; use at most {known}.");
    }

    private RespacedSchedule Discrete(DiffusionModel model)
    {
        if (model.Settings.HasSigmas || model.Settings.Schedule == NoiseScheduleKind.Continuous)
            throw new ArgumentException(
                $"Ancestral sampling needs a discrete schedule, and this model has the {model.Settings.Schedule} one; use algorithm2 with v = 0, or euler-a.");
        RequireSteps(model.Settings);
        var schedule = model.Settings.Discrete();
        int most = schedule.Timesteps;
        var spacing = SpacingFor(model);
        int[] kept = spacing switch
        {
            // Published rules take timestep 0 alone, of which pure noise is no state.
            _ when Steps == 1 => [most - 1],
            SpacingKind.Uniform or SpacingKind.Section => Schedules.Spacing.Section(most, Steps.ToString(CultureInfo.InvariantCulture)),
            SpacingKind.DdimN => Schedules.Spacing.DdimN(most, Steps),
            SpacingKind.UniformU => FromU(Schedules.Spacing.UniformU(Steps), most),
            SpacingKind.Sigmoid => FromU(Schedules.Spacing.Sigmoid(Steps), most),
            _ => throw new ArgumentException($"Spacing {spacing} places levels between the timesteps, which {Kind} cannot use; use uniform, section, ddim-n, uniform-u or sigmoid."),
        };
        if (kept[^1] < most - 1 && schedule.AlphaBar[kept[^1]] > MostSignal)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"Spacing {spacing} with {Steps} steps starts at timestep {kept[^1]} of {most}, where {schedule.AlphaBar[kept[^1]]:P0} of the picture is left: pure noise is no such state. Use uniform, or more steps."));
        return schedule.Respace(kept);
    }

    private static int[] FromU(double[] us, int timesteps) =>
        Schedules.Spacing.Distinct(timesteps, us.Select(u => (int)Math.Round(u * (timesteps - 1))).Order());
}
