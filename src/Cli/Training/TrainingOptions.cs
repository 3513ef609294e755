using System.CommandLine;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Cli.Training;

/// <summary>The options of <c>train</c> that change how a preset's training goes.</summary>
internal sealed class TrainingOptions
{
    public static readonly (string Name, LossWeighting Value)[] WeightingNames =
    [
        ("simple", LossWeighting.Simple), ("uniform-v", LossWeighting.UniformV), ("uniform-x0", LossWeighting.UniformX0), ("min-snr", LossWeighting.MinSnr),
        ("truncated-snr", LossWeighting.TruncatedSnr), ("p2", LossWeighting.P2), ("later-steps", LossWeighting.LaterSteps),
    ];

    private static readonly (string, LearningRateDecay)[] DecayNames =
        [("cosine", LearningRateDecay.Cosine), ("linear", LearningRateDecay.Linear), ("constant", LearningRateDecay.Constant)];

    private static readonly (string, TimestepSampling)[] TimestepNames =
        [("uniform", TimestepSampling.Uniform), ("loss-second-moment", TimestepSampling.LossSecondMoment)];

    private readonly Option<int?> _steps = CliOptions.OptionalInteger("--steps", "N", "Optimiser steps in all; with --resume, another end than was planned. [default: the preset's]", 1);
    private readonly Option<int?> _batch = CliOptions.OptionalInteger("--batch", "N", "Images per step. [default: the preset's]", 1, 65536);
    private readonly Option<double?> _rate = CliOptions.OptionalNumber("--lr", "X", "Peak learning rate. [default: the preset's]", 1e-12, 10);
    private readonly Option<int?> _warmup = CliOptions.OptionalInteger("--warmup", "N", "Steps until the peak learning rate. [default: the preset's]", 0);

    private readonly Option<LearningRateDecay?> _decay = CliOptions.OptionalChoice<LearningRateDecay>(
        "--lr-decay", "How the learning rate falls after its peak.", DecayNames, "the preset's");

    private readonly Option<double?> _weightDecay = CliOptions.OptionalNumber(
        "--weight-decay", "X", "AdamW's decay of the weights; 0 makes it Adam. [default: the preset's]", 0, 0.999);

    private readonly Option<double?> _clip = CliOptions.OptionalNumber("--clip", "X", "Largest norm of the gradient. [default: 1]", 1e-9, 1e9);

    private readonly Option<double?> _nullProbability = CliOptions.OptionalNumber(
        "--null-probability", "X",
        "How often the label is hidden, which is what guidance learns from: with 0 the model follows its classes and cannot be guided, with 1 it learns no class. [default: 0.1]", 0, 1);

    private readonly Option<LossWeighting?> _weighting = CliOptions.OptionalChoice<LossWeighting>(
        "--weighting", "Weight of the noise levels in the loss.", WeightingNames, "the preset's, or that of the prediction: simple for eps, uniform-x0 for x0, uniform-v for v");

    private readonly Option<bool> _unbounded = new("--allow-unbounded-weighting")
    {
        Description = "Train with a --weighting that grows without bound for the --prediction, as uniform-v does for eps.",
    };

    private readonly Option<TimestepSampling?> _timesteps = CliOptions.OptionalChoice<TimestepSampling>(
        "--timestep-sampling", "How often each timestep is shown: all alike, or by the size of its losses (Nichol and Dhariwal 2021), which steadies the loss of learned variances.",
        TimestepNames, "uniform");

    private readonly Option<double?> _ema = CliOptions.OptionalNumber(
        "--ema", "X", "Decay of the moving average of the weights, which sampling uses. [default: the preset's]", 0, 0.9999999);

    private readonly Option<double?> _halfLife = CliOptions.OptionalNumber(
        "--ema-half-life", "IMAGES", "The same by its half-life in images, as in EDM; instead of --ema.", 1, 1e12);

    private readonly Option<double[]?> _powers = CliOptions.Numbers(
        "--power-ema", "X,X", "Relative widths of averages that are saved with every checkpoint, in averages/: 0.05,0.1 allow `nativediffusion ema` to make any other (Karras et al. 2024).",
        1e-4, 0.288);

    private readonly Option<bool> _flip = new("--flip") { Description = "Mirror half of the images; not for letters and digits." };
    private readonly Option<int?> _shift = CliOptions.OptionalInteger("--shift", "N", "Move images by up to N pixels each way, as a random crop does. [default: 0]", 0, 1024);
    private readonly Option<ulong> _seed = CliOptions.Seed("weights, order of the images and noise");

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All =>
    [
        _steps, _batch, _rate, _warmup, _decay, _weightDecay, _clip, _nullProbability, _weighting, _unbounded, _timesteps, _ema, _halfLife, _powers, _flip, _shift, _seed,
    ];

    /// <summary>Those that a training keeps from its start to its end: all but the number of steps.</summary>
    public IReadOnlyList<Option> FixedAtStart => [.. All.Where(option => option != _steps)];

    /// <summary>The number of steps that was asked for.</summary>
    public int? Steps(ParseResult parsed) => parsed.GetValue(_steps);

    /// <summary>The weighting that was asked for.</summary>
    public LossWeighting? Weighting(ParseResult parsed) => parsed.GetValue(_weighting);

    /// <summary>A preset's training as the options change it.</summary>
    /// <exception cref="UsageException">Options that exclude each other.</exception>
    public TrainingSettings Apply(ParseResult parsed, TrainingSettings preset, DiffusionSettings diffusion)
    {
        if (parsed.IsGiven(_ema) && parsed.IsGiven(_halfLife)) throw new UsageException($"{_ema.Name} and {_halfLife.Name} say the same; give one of them.");
        // A preset's weighting belongs to its prediction; another prediction has its own.
        var weighting = parsed.GetValue(_weighting) ?? (diffusion.HasSigmas || !diffusion.HasTimesteps || diffusion.Prediction != PredictionType.Eps ? null : preset.Weighting);
        if (diffusion.HasSigmas && weighting is { } own)
            throw new UsageException($"{_weighting.Name} {OptionWords.Of(own)} is for timesteps; EDM's noise levels have a weighting of their own.");
        if (!diffusion.HasSigmas && weighting is { } asked && !parsed.GetValue(_unbounded) && LossWeightingRules.Unbounded(diffusion, asked) is { } numbers)
            throw new UsageException(
                $"{_weighting.Name} {OptionWords.Of(asked)} grows without bound with --prediction {OptionWords.Of(diffusion.Prediction)} and --schedule {OptionWords.Of(diffusion.Schedule)}: {numbers} "
                + $"Leave it out for {OptionWords.Of(LossWeightingRules.Default(diffusion.Prediction))}, or force it by {_unbounded.Name}.");
        int steps = parsed.GetValue(_steps) ?? preset.Steps;
        return preset with
        {
            Steps = steps,
            BatchSize = parsed.GetValue(_batch) ?? preset.BatchSize,
            LearningRate = parsed.GetValue(_rate) ?? preset.LearningRate,
            LearningRateDecay = parsed.GetValue(_decay) ?? preset.LearningRateDecay,
            WarmupSteps = parsed.GetValue(_warmup) ?? Math.Min(preset.WarmupSteps, steps / 10),
            WeightDecay = parsed.GetValue(_weightDecay) ?? preset.WeightDecay,
            GradientClip = parsed.GetValue(_clip) ?? preset.GradientClip,
            NullProbability = parsed.GetValue(_nullProbability) ?? preset.NullProbability,
            Weighting = weighting,
            AllowUnboundedWeighting = parsed.GetValue(_unbounded),
            Timesteps = parsed.GetValue(_timesteps) ?? preset.Timesteps,
            AverageDecay = parsed.GetValue(_ema) ?? preset.AverageDecay,
            AverageHalfLife = parsed.IsGiven(_ema) ? null : parsed.GetValue(_halfLife) ?? preset.AverageHalfLife,
            PowerAverages = [.. parsed.GetValue(_powers) ?? []],
            Flip = parsed.GetValue(_flip),
            MaxShift = parsed.GetValue(_shift) ?? preset.MaxShift,
            Seed = parsed.GetValue(_seed),
        };
    }
}
