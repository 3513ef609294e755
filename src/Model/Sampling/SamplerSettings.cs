using System.Globalization;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Which sampler, in how many steps; becomes a <see cref="SamplerTable"/> for one model's schedule.</summary>
public sealed record SamplerSettings
{
    // The levels between these hold all that a picture of 8 bits can show.
    private const double SmallestSigma = 0.002, LargestSigma = 80;

    // Heun's second evaluation multiplies the network's error by half of what the step divides sigma by; above this noise stays in the picture.
    // With fewer than five steps nothing after such a step mends it; there 8 is the bound (docs/sampler-quality.md).
    private const double GreatestHeunRatio = 100, FewStepsHeunRatio = 8;

    // Share of the picture's variance that may be missing from pure noise at the first level.
    private const double MostSignal = 0.1;

    /// <summary>The sampler.</summary>
    public SamplerKind Kind { get; init; } = SamplerKind.DpmSolver2M;

    /// <summary>Steps, at least 1, and at most the timesteps that the model has. One is the clean prediction from the noisiest level.</summary>
    public int Steps { get; init; } = 20;

    /// <summary>
    /// Spacing of the levels. Null takes what suits the sampler: Karras for those that come from k-diffusion and for models in EDM's sigma, else uniform.
    /// </summary>
    public SpacingKind? Spacing { get; init; }

    /// <summary>
    /// Exponent of <see cref="SpacingKind.Karras"/> (7 when left out) and <see cref="SpacingKind.PolyExponential"/> (1), above 0: larger puts more levels at the clean end.
    /// </summary>
    public double? Rho { get; init; }

    /// <summary>Added to the timesteps of <see cref="SpacingKind.Leading"/>, at least 0; Stable Diffusion's settings say 1.</summary>
    public int StepsOffset { get; init; }

    /// <summary>
    /// Take the levels of the schedule stretched to zero terminal SNR (Lin et al. 2023), for a model of v or of the clean sample that was trained so;
    /// spacings of timesteps only, in VP scale.
    /// </summary>
    public bool ZeroTerminalSnr { get; init; }

    /// <summary>Fresh noise of DDIM (0 to 1; 0 when left out) and of the ancestral and SDE samplers (at least 0; 1 when left out).</summary>
    public double? Eta { get; init; }

    /// <summary>Variance interpolation of Algorithm 2, 0 to 1.</summary>
    public double V { get; init; } = 0.3;

    /// <summary>Variance of ancestral steps; null takes the learned range where the network has it, else the small one.</summary>
    public AncestralVariance? Variance { get; init; }

    /// <summary>Noise that <see cref="SamplerKind.Heun"/>, <see cref="SamplerKind.Euler"/> and <see cref="SamplerKind.Dpm2"/> add back on the way; none when left out.</summary>
    public HeunChurn Churn { get; init; } = HeunChurn.None;

    /// <summary>Clamp the predicted clean image to [-1, 1].</summary>
    public bool Clip { get; init; } = true;

    /// <summary>The spacing that is used with a model: <see cref="Spacing"/>, or what suits the sampler.</summary>
    public SpacingKind SpacingFor(DiffusionModel model) => Spacing switch
    {
        // In EDM's sigma there is nothing else to be uniform in; files of EDM models may say so.
        null or SpacingKind.Uniform when model.Settings.HasSigmas => SpacingKind.Karras,
        null => Kind is SamplerKind.Ancestral or SamplerKind.Algorithm2 or SamplerKind.Ddim or SamplerKind.DpmSolver2M or SamplerKind.UniPC
            ? SpacingKind.Uniform : SpacingKind.Karras,
        { } spacing => spacing,
    };

    /// <summary>The table for a model.</summary>
    /// <exception cref="ArgumentException">The combination is not possible; the message says what to choose instead.</exception>
    public SamplerTable Build(DiffusionModel model) => Build(model, guidance: null);

    /// <summary>The table for a model and a guidance, which may need the step's noise to follow from the clean sample that it moves.</summary>
    /// <exception cref="ArgumentException">The combination is not possible; the message says what to choose instead.</exception>
    public SamplerTable Build(DiffusionModel model, Guidance? guidance)
    {
        RequireRho(SpacingFor(model));
        bool? rederives = guidance is { MovesDenoised: true } ? true : null;
        var network = model.Settings.Parameterization;
        return Kind switch
        {
            SamplerKind.Ancestral => Samplers.Ancestral(
                Discrete(model), network, Variance ?? (model.LearnsVariance ? AncestralVariance.LearnedRange : AncestralVariance.FixedSmall), Clip),
            SamplerKind.Ddim => Samplers.Ddim(Levels(model), network, Eta ?? 0, Clip, rederives),
            SamplerKind.Algorithm2 => Samplers.Algorithm2(Levels(model), network, V, Clip),
            SamplerKind.DpmSolver2M => Samplers.DpmSolver2M(Levels(model), network, Clip),
            SamplerKind.Euler when Churn.Amount > 0 => Samplers.EulerWithChurn(model.Settings.NoiseSchedule(), Sigmas(model), network, Churn, Clip),
            SamplerKind.Euler => Samplers.Euler(Levels(model), network, Clip),
            SamplerKind.EulerAncestral => Samplers.EulerAncestral(Levels(model), network, Eta ?? 1, Clip),
            SamplerKind.Heun => Samplers.Heun(model.Settings.NoiseSchedule(), Sigmas(model), network, Churn, Clip),
            SamplerKind.UniPC => Samplers.UniPC(Levels(model), network, null, Clip),
            SamplerKind.DpmSolver2MSde => Samplers.DpmSolver2MSde(Levels(model), network, Eta ?? 1, Clip),
            SamplerKind.DpmSolver3MSde => Samplers.DpmSolver3MSde(Levels(model), network, Eta ?? 1, Clip),
            SamplerKind.DpmSolverSde => Samplers.DpmSolverSde(model.Settings.NoiseSchedule(), Sigmas(model), network, Eta ?? 1, clip: Clip),
            SamplerKind.DpmSolver2SAncestral => Samplers.DpmSolver2SAncestral(model.Settings.NoiseSchedule(), Sigmas(model), network, Eta ?? 1, Clip),
            SamplerKind.Dpm2 => Samplers.Dpm2(model.Settings.NoiseSchedule(), Sigmas(model), network, Churn, Clip),
            SamplerKind.Dpm2Ancestral => Samplers.Dpm2Ancestral(model.Settings.NoiseSchedule(), Sigmas(model), network, Eta ?? 1, Clip),
            SamplerKind.Lms => Samplers.Lms(Levels(model), network, clip: Clip),
            _ => throw new ArgumentException($"Unknown sampler {OptionWords.Of(Kind)}."),
        };
    }

    // Whether steps divide by the level what the network says there, errors included.
    private bool AmplifiesErrors => Kind is SamplerKind.Heun or SamplerKind.Dpm2 or SamplerKind.Dpm2Ancestral;

    // diffusers builds leading and linspace timesteps of these for one step more, and leaves the cleanest out.
    private bool IsMultistep => Kind is SamplerKind.DpmSolver2M or SamplerKind.DpmSolver2MSde or SamplerKind.DpmSolver3MSde or SamplerKind.UniPC;

    private double[] Sigmas(DiffusionModel model) => [.. Levels(model).Select(l => l.SigmaEdm)];

    private NoiseLevel[] Levels(DiffusionModel model)
    {
        RequireSteps(model.Settings);
        var spacing = SpacingFor(model);
        var settings = model.Settings;
        if (settings.HasSigmas || (Steps > 1 && PlacesSigmas(spacing))) return SigmaLevels(settings, spacing);
        if (settings.Schedule == NoiseScheduleKind.Continuous) RequireNoTimestepOptions(spacing);
        var levels = settings.Schedule != NoiseScheduleKind.Continuous ? Discrete(model).Levels() : settings.Continuous().Levels(spacing switch
        {
            _ when Steps == 1 => [1],
            SpacingKind.Uniform or SpacingKind.UniformU => Schedules.Spacing.UniformU(Steps),
            SpacingKind.Sigmoid => Schedules.Spacing.Sigmoid(Steps),
            _ => throw new ArgumentException($"Spacing {OptionWords.Of(spacing)} picks discrete timesteps, which a continuous schedule has not; use uniform, uniform-u, sigmoid, karras, log-snr, polyexponential or vp."),
        });
        if (AmplifiesErrors) RequireHeunRatio(levels, spacing);
        return levels;
    }

    private NoiseLevel[] SigmaLevels(DiffusionSettings settings, SpacingKind spacing)
    {
        RequireNoTimestepOptions(spacing);
        if (!PlacesSigmas(spacing))
            throw new ArgumentException($"Spacing {OptionWords.Of(spacing)} places timesteps or u, which a model in EDM's sigma has not; use karras, log-snr, polyexponential or vp.");
        var schedule = settings.NoiseSchedule();
        var (least, greatest) = KarrasRange(schedule);
        if (spacing == SpacingKind.VariancePreserving)
        {
            var sde = new VpSdeSchedule();
            double TimeOf(double sigma) => sde.U(Conversions.SigmaEdmToLogSnr(sigma));
            double[] times = Schedules.Spacing.VariancePreserving(Steps, tMin: Math.Max(1e-3, TimeOf(least)), tMax: Math.Min(1, TimeOf(greatest)));
            var ofSde = NoiseLevel.FromSigmas(schedule, [.. times.Select(schedule.RoundSigma)]);
            if (AmplifiesErrors) RequireHeunRatio(ofSde, spacing);
            return ofSde;
        }
        double rho = Rho ?? (spacing == SpacingKind.Karras ? 7 : 1);
        if (AmplifiesErrors) least = Math.Max(least, LeastHeunSigma(Steps, greatest, Steps < 5 ? FewStepsHeunRatio : GreatestHeunRatio, spacing != SpacingKind.Karras, rho));
        double[] sigmas = spacing == SpacingKind.Karras ? Schedules.Spacing.Karras(Steps, least, greatest, rho) : Schedules.Spacing.PolyExponential(Steps, least, greatest, rho);
        // With churn, levels repeat where EDM's do.
        return NoiseLevel.FromSigmas(schedule, schedule is IddpmSchedule levels && Kind is not (SamplerKind.Heun or SamplerKind.Dpm2) ? levels.Distinct(sigmas) : [.. sigmas.Select(schedule.RoundSigma)]);
    }

    /// <summary>
    /// Where a range of Heun's levels has to end so that no step divides sigma by more than a ratio. By how much the last one does is greatest in Karras' rule; in
    /// the other, that is the first one from rho 1 on.
    /// </summary>
    /// <param name="steps">Steps.</param>
    /// <param name="greatest">First level.</param>
    /// <param name="ratio">The ratio.</param>
    /// <param name="even">Log sigma by a power of the steps left, evenly for rho 1; else by Karras' rule.</param>
    /// <param name="rho">The rule's exponent.</param>
    internal static double LeastHeunSigma(int steps, double greatest, double ratio, bool even, double rho)
    {
        if (steps == 1) return 0;
        if (even && rho == 1) return greatest / Math.Pow(ratio, steps - 1);
        if (even) return greatest / Math.Pow(ratio, 1 / (rho > 1 ? 1 - Math.Pow(1 - 1.0 / (steps - 1), rho) : Math.Pow(1.0 / (steps - 1), rho)));
        double root = (steps - 1) * Math.Pow(ratio, 1 / rho) - (steps - 2);
        return greatest / Math.Pow(root, rho);
    }

    private static bool PlacesSigmas(SpacingKind spacing) =>
        spacing is SpacingKind.Karras or SpacingKind.LogSnrUniform or SpacingKind.PolyExponential or SpacingKind.VariancePreserving;

    private void RequireRho(SpacingKind spacing)
    {
        if (Rho is not { } rho) return;
        if (spacing is not (SpacingKind.Karras or SpacingKind.PolyExponential)) throw new ArgumentException($"rho ({rho}) belongs to the spacings karras and polyexponential, and this is {OptionWords.Of(spacing)}; leave it out.");
        if (!(rho > 0) || double.IsInfinity(rho)) throw new ArgumentException($"rho is above 0 and finite; got {rho}.");
    }

    /// <summary>The levels between which a schedule's are spaced in sigma.</summary>
    internal static (double Least, double Greatest) KarrasRange(INoiseSchedule schedule) =>
        (Math.Max(SmallestSigma, schedule.SigmaRange.Least), Math.Min(LargestSigma, schedule.SigmaRange.Greatest));

    private void RequireNoTimestepOptions(SpacingKind spacing)
    {
        if (ZeroTerminalSnr || StepsOffset != 0)
            throw new ArgumentException(
                $"Zero terminal SNR and an offset of steps belong to spacings of discrete timesteps, and {OptionWords.Of(spacing)} places levels otherwise; use trailing or leading.");
    }

    private void RequireHeunRatio(NoiseLevel[] levels, SpacingKind spacing)
    {
        for (int i = 1; i < levels.Length; i++)
        {
            double from = levels[i - 1].SigmaEdm, to = levels[i].SigmaEdm;
            if (!(from <= GreatestHeunRatio * to))
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                    $"With spacing {OptionWords.Of(spacing)} and {levels.Length} steps, {OptionWords.Of(Kind)} would step from sigma {from:G4} to {to:G4}: a step that divides sigma by more than {GreatestHeunRatio} leaves noise in the picture. Leave the spacing out, or use karras or log-snr."));
        }
    }

    private void RequireSteps(DiffusionSettings settings)
    {
        if (Steps < 1) throw new ArgumentException($"A sampler takes at least 1 step; got {Steps}.");
        int? known = settings.Schedule switch
        {
            NoiseScheduleKind.Linear or NoiseScheduleKind.ScaledLinear or NoiseScheduleKind.Cosine or NoiseScheduleKind.Iddpm => settings.Timesteps,
            _ => null,
        };
        if (Steps > known) throw new ArgumentException($"{Steps} steps are more than the {known} noise levels that the model was trained on; use at most {known}.");
    }

    private RespacedSchedule Discrete(DiffusionModel model)
    {
        if (model.Settings.HasSigmas || model.Settings.Schedule == NoiseScheduleKind.Continuous)
            throw new ArgumentException(
                $"Ancestral sampling needs a discrete schedule, and this model has the {OptionWords.Of(model.Settings.Schedule)} one; use alg2 with v = 0, or euler-a.");
        RequireSteps(model.Settings);
        var schedule = model.Settings.Discrete();
        if (ZeroTerminalSnr) schedule = schedule.WithZeroTerminalSnr().WithTimesteps(model.Settings.RescaleTimesteps);
        int most = schedule.Timesteps;
        var spacing = SpacingFor(model);
        if (StepsOffset != 0 && spacing != SpacingKind.Leading)
            throw new ArgumentException(
                $"An offset of steps ({StepsOffset}) belongs to the leading spacing, and this is {OptionWords.Of(spacing)}; leave it out, or use leading.");
        // One step more, of which the cleanest is left out, where there are so many timesteps.
        int beyond = IsMultistep && Steps < most ? 1 : 0;
        int[] kept = spacing switch
        {
            // Published rules take timestep 0 alone, of which pure noise is no state.
            _ when Steps == 1 => [most - 1],
            SpacingKind.Uniform or SpacingKind.Section => Schedules.Spacing.Section(most, Steps.ToString(CultureInfo.InvariantCulture)),
            SpacingKind.DdimN => Schedules.Spacing.DdimN(most, Steps),
            SpacingKind.Leading => Schedules.Spacing.Leading(most, Steps + beyond, StepsOffset)[beyond..],
            SpacingKind.Trailing => Schedules.Spacing.Trailing(most, Steps),
            SpacingKind.Linspace => Schedules.Spacing.Linspace(most, Steps + beyond)[beyond..],
            SpacingKind.UniformU => FromU(Schedules.Spacing.UniformU(Steps), most),
            SpacingKind.Sigmoid => FromU(Schedules.Spacing.Sigmoid(Steps), most),
            _ => throw new ArgumentException($"Spacing {OptionWords.Of(spacing)} places levels between the timesteps, which {OptionWords.Of(Kind)} cannot use; use uniform, section, ddim-n, uniform-u, sigmoid, leading, trailing or linspace."),
        };
        if (kept[^1] < most - 1 && schedule.AlphaBar[kept[^1]] > MostSignal)
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture,
                $"Spacing {OptionWords.Of(spacing)} with {Steps} steps starts at timestep {kept[^1]} of {most}, where {schedule.AlphaBar[kept[^1]]:P0} of the picture is left: pure noise is no such state. Use uniform, or more steps."));
        return schedule.Respace(kept);
    }

    private static int[] FromU(double[] us, int timesteps) =>
        Schedules.Spacing.Distinct(timesteps, us.Select(u => (int)Math.Round(u * (timesteps - 1))).Order());
}
