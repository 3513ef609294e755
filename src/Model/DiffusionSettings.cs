using System.Collections.Immutable;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Model;

/// <summary>Which noise levels a model was trained on.</summary>
public enum NoiseScheduleKind
{
    /// <summary>Discrete, beta linear in t (Ho et al. 2020).</summary>
    Linear,

    /// <summary>Discrete, alphaBar a squared cosine (Nichol and Dhariwal 2021).</summary>
    Cosine,

    /// <summary>Continuous log-SNR (Ho and Salimans 2022).</summary>
    Continuous,

    /// <summary>EDM's sigma, with its preconditioning around the network (Karras et al. 2022).</summary>
    Edm,

    /// <summary>The variance-preserving SDE (Song et al. 2021), in continuous time.</summary>
    VpSde,

    /// <summary>The variance-exploding SDE (Song et al. 2021), in EDM's form.</summary>
    VeSde,

    /// <summary>The levels of improved DDPM (Nichol and Dhariwal 2021), in EDM's form.</summary>
    Iddpm,

    /// <summary>Discrete, the square root of beta linear in t (Rombach et al. 2021, latent diffusion).</summary>
    ScaledLinear,
}

/// <summary>What a checkpoint has to say besides its network: noise levels, what is predicted, classes, image size.</summary>
public sealed record DiffusionSettings
{
    private const int MostTimesteps = 100_000, MostClasses = 1 << 20, LongestName = 1 << 12;
    private const double GreatestLevel = 1e9, MostLogSnr = 100;

    /// <summary>Noise levels of the training.</summary>
    public NoiseScheduleKind Schedule { get; init; } = NoiseScheduleKind.Cosine;

    /// <summary>Number of discrete noise levels, T; of the VP SDE and of iDDPM's levels in EDM's form, their M. Unused by the other schedules.</summary>
    public int Timesteps { get; init; } = 1000;

    /// <summary>First beta of the linear and the scaled linear schedule; null for 0.1 / T, and 0.00085 of the scaled one.</summary>
    public double? BetaStart { get; init; }

    /// <summary>Last beta of the linear and the scaled linear schedule; null for 20 / T, and 0.012 of the scaled one.</summary>
    public double? BetaEnd { get; init; }

    /// <summary>Whether the network receives discrete timesteps times 1000 / T, as improved-diffusion's of 4,000 steps do.</summary>
    public bool RescaleTimesteps { get; init; }

    /// <summary>Lowest log-SNR of the continuous schedule.</summary>
    public double LogSnrMin { get; init; } = -20;

    /// <summary>Highest log-SNR of the continuous schedule.</summary>
    public double LogSnrMax { get; init; } = 20;

    /// <summary>Standard deviation of the data that EDM's preconditioning assumes; unused by the other schedules.</summary>
    public double SigmaData { get; init; } = 0.5;

    /// <summary>Least EDM noise level that the network knows, of EDM's preconditioning (0 when null) and the VE SDE (0.02).</summary>
    public double? SigmaMin { get; init; }

    /// <summary>Greatest EDM noise level that the network knows, of EDM's preconditioning (none when null) and the VE SDE (100).</summary>
    public double? SigmaMax { get; init; }

    /// <summary>Noise rate of the VP SDE at u = 0; 0.1 when null.</summary>
    public double? BetaMin { get; init; }

    /// <summary>How much the noise rate of the VP SDE grows until u = 1; 19.9 when null.</summary>
    public double? BetaD { get; init; }

    /// <summary>Least u of the VP SDE; 1e-5 when null.</summary>
    public double? LeastU { get; init; }

    /// <summary>Least ratio of neighbouring levels of iDDPM's levels in EDM's form; 0.001 when null.</summary>
    public double? IddpmC1 { get; init; }

    /// <summary>Offset of the squared sine of iDDPM's levels in EDM's form; 0.008 when null.</summary>
    public double? IddpmC2 { get; init; }

    /// <summary>What the network predicts; unused by EDM and the variance-exploding SDE, whose preconditioning says it.</summary>
    public PredictionType Prediction { get; init; } = PredictionType.Eps;

    /// <summary>How often the label was hidden in training, p_uncond of Ho and Salimans (2207.12598), 0 to 1; null where nobody noted it.</summary>
    public double? NullProbability { get; init; }

    /// <summary>Names of the classes; their indices are the labels. Empty for an unconditional model.</summary>
    public ImmutableArray<string> ClassNames { get; init; } = [];

    /// <summary>Whether the network's last label is the null class, so that it can be guided without a classifier. Unused without classes.</summary>
    public bool NullClass { get; init; } = true;

    /// <summary>
    /// Labels of the network (the null class has the one behind the last class's) that no training has ever shown it: what it says of them is chance, so that they
    /// cannot be asked for. <see cref="Training.Trainer"/> notes them: the null class where no label was hidden, all classes where every label was, a class without images.
    /// </summary>
    public ImmutableArray<int> UntrainedLabels { get; init; } = [];

    /// <summary>How to sample unless told otherwise; null for the general default.</summary>
    public SamplerSettings? Sampler { get; init; }

    /// <summary>Guidance scale s unless told otherwise; null for the general default. 1 is the plain conditional model.</summary>
    public double? GuidanceScale { get; init; }

    /// <summary>How many channels, from the first, are guided; null for all. DiT's released sampler guides 3 of the 4 channels of its latents.</summary>
    public int? GuidedChannels { get; init; }

    /// <summary>What is added to 127.5 x before it is truncated to a byte: 128, which rounds, as in EDM's and DiT's sampler, 127.5 as in ADM's.</summary>
    public double PixelOffset { get; init; } = PixelConversion.Rounding;

    /// <summary>For a model of latents, what those of its autoencoder were multiplied by; null for a model of images.</summary>
    public double? LatentScale { get; init; }

    /// <summary>Height and width of the data, when the network's image size pads them.</summary>
    public int? DataSize { get; init; }

    /// <summary>Checks every value: files say them, too.</summary>
    /// <param name="imageSize">Height and width of the network's images.</param>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    internal void Validate(int imageSize)
    {
        static void Require(bool ok, FormattableString message)
        {
            if (!ok) throw new ArgumentException(FormattableString.Invariant(message));
        }
        static bool IsPositive(double? value) => value is null || (value > 0 && value <= GreatestLevel);
        static bool IsLevel(double? value) => value is null || (value >= 0 && value <= GreatestLevel);
        Require(Enum.IsDefined(Schedule), $"There is no schedule {(int)Schedule}; the known ones are {string.Join(", ", Enum.GetValues<NoiseScheduleKind>().Select(OptionWords.Of))}.");
        Require(Enum.IsDefined(Prediction), $"There is no prediction {(int)Prediction}; the known ones are eps, x0 and v.");
        Require(Timesteps is >= 1 and <= MostTimesteps, $"A schedule has 1 to {MostTimesteps} timesteps; got {Timesteps}.");
        Require(BetaStart is null or (> 0 and < 1) && BetaEnd is null or (> 0 and < 1), $"beta_start and beta_end are above 0 and below 1; got {BetaStart}, {BetaEnd}.");
        Require(LogSnrMin >= -MostLogSnr && LogSnrMin < LogSnrMax && LogSnrMax <= MostLogSnr, $"Log-SNRs go from a lower to a higher one within {-MostLogSnr} to {MostLogSnr}; got {LogSnrMin}, {LogSnrMax}.");
        Require(IsPositive(SigmaData) && IsLevel(SigmaMin) && !(SigmaMin >= SigmaMax), $"sigma_data is above 0, sigma_min at least 0 and below sigma_max; got {SigmaData}, {SigmaMin}, {SigmaMax}.");
        Require(SigmaMax is null or > 0, $"sigma_max is above 0; got {SigmaMax}.");
        Require(IsLevel(BetaMin) && IsLevel(BetaD), $"beta_min and beta_d are at least 0; got {BetaMin}, {BetaD}.");
        Require(LeastU is null or (> 0 and < 1), $"least_u is above 0 and below 1; got {LeastU}.");
        Require(IddpmC1 is null or (> 0 and < 1) && IddpmC2 is null or (> 0 and < 1), $"iddpm_c1 and iddpm_c2 are above 0 and below 1; got {IddpmC1}, {IddpmC2}.");
        Require(NullProbability is null or (>= 0 and <= 1), $"null_probability is 0 to 1; got {NullProbability}.");
        Require(!ClassNames.IsDefault && ClassNames.Length <= MostClasses, $"A model has at most {MostClasses} classes; got {(ClassNames.IsDefault ? 0 : ClassNames.Length)}.");
        Require(ClassNames.All(name => name is { Length: <= LongestName }), $"Every class has a name, of at most {LongestName} characters.");
        Require(!UntrainedLabels.IsDefault && UntrainedLabels.Length <= MostClasses + 1, $"untrained_labels are a list of labels of the network.");
        Require(GuidanceScale is null or (>= -1000 and <= 1001), $"guidance_scale is -1000 to 1001; got {GuidanceScale}.");
        Require(GuidedChannels is null or >= 1, $"guided_channels is 1 or more; got {GuidedChannels}.");
        Require(PixelOffset is >= 0 and <= 255, $"pixel_offset is 0 to 255; got {PixelOffset}.");
        Require(IsPositive(LatentScale), $"latent_scale is above 0; got {LatentScale}.");
        Require(DataSize is null || (DataSize >= 1 && DataSize <= imageSize), $"data_size is 1 to the network's image size {imageSize}; got {DataSize}.");
    }

    /// <summary>Labels of the classes that may be asked for.</summary>
    internal IEnumerable<int> TrainedClasses => Enumerable.Range(0, ClassNames.Length).Where(IsTrained);

    /// <summary>Why samples cannot be guided without a classifier, as a sentence; null where they can.</summary>
    internal string? WhyUnguided => ClassNames.Length == 0 ? "The model is unconditional."
        : !TrainedClasses.Any() ? "None of the model's classes was ever trained: its training hid every label (null probability 1)."
        : !NullClass ? "The model has no null class."
        : !IsTrained(ClassNames.Length) ? "The model has no null class to be guided by: it was never trained, for no label was hidden (null probability 0)."
        : null;

    /// <summary>How the network's output becomes the clean sample.</summary>
    internal Parameterization Parameterization => Schedule switch
    {
        NoiseScheduleKind.Edm => new EdmPreconditioning(SigmaData),
        NoiseScheduleKind.VeSde => Parameterization.VarianceExploding,
        _ => Prediction,
    };

    /// <summary>Whether levels are discrete timesteps.</summary>
    internal bool HasTimesteps => Schedule is NoiseScheduleKind.Linear or NoiseScheduleKind.Cosine or NoiseScheduleKind.ScaledLinear;

    /// <summary>Whether the levels are EDM's sigmas rather than timesteps or u.</summary>
    internal bool HasSigmas => Schedule is NoiseScheduleKind.Edm or NoiseScheduleKind.VpSde or NoiseScheduleKind.VeSde or NoiseScheduleKind.Iddpm;

    /// <summary>Whether a network of other settings is told the same at the same noise: a classifier trained so can guide it.</summary>
    internal bool TellsNoiseAs(DiffusionSettings other)
    {
        INoiseSchedule mine = NoiseSchedule(), theirs = other.NoiseSchedule();
        return Enumerable.Range(-6, 13).Select(logSnr => (Mine: mine.TimestepAt(logSnr), Theirs: theirs.TimestepAt(logSnr)))
            .All(t => Math.Abs(t.Mine - t.Theirs) <= 1e-6 * Math.Max(1, Math.Abs(t.Mine)));
    }

    /// <summary>The noise levels in words.</summary>
    internal string NoiseInWords => HasTimesteps
        ? $"the {OptionWords.Of(Schedule)} schedule of {Timesteps} timesteps{(RescaleTimesteps ? ", rescaled" : "")}" : $"the {OptionWords.Of(Schedule)} schedule";

    /// <summary>Whether a label of the network was trained, as far as is known.</summary>
    internal bool IsTrained(int label) => !UntrainedLabels.Contains(label);

    /// <summary>The schedule, of whatever kind.</summary>
    public INoiseSchedule NoiseSchedule() => Schedule switch
    {
        NoiseScheduleKind.Continuous => Continuous(),
        NoiseScheduleKind.Edm => new EdmPreconditioning(SigmaData, SigmaMin ?? 0, SigmaMax ?? double.PositiveInfinity),
        NoiseScheduleKind.VpSde => new VpSdeSchedule(BetaMin ?? 0.1, (BetaMin ?? 0.1) + (BetaD ?? 19.9), Timesteps - 1) { LeastU = LeastU ?? 1e-5 },
        NoiseScheduleKind.VeSde => new VeSdeSchedule(SigmaMin ?? 0.02, SigmaMax ?? 100),
        NoiseScheduleKind.Iddpm => new IddpmSchedule(IddpmC1 ?? 0.001, IddpmC2 ?? 0.008, Timesteps),
        _ => Discrete(),
    };

    /// <summary>The discrete schedule.</summary>
    /// <exception cref="InvalidOperationException">The model has a continuous schedule.</exception>
    public DiscreteSchedule Discrete() => Schedule switch
    {
        NoiseScheduleKind.Linear when BetaStart is null && BetaEnd is null => DiscreteSchedule.Linear(Timesteps).WithTimesteps(RescaleTimesteps),
        NoiseScheduleKind.Linear => DiscreteSchedule.Linear(Timesteps, BetaStart ?? 0.1 / Timesteps, BetaEnd ?? 20.0 / Timesteps).WithTimesteps(RescaleTimesteps),
        NoiseScheduleKind.ScaledLinear => DiscreteSchedule.ScaledLinear(Timesteps, BetaStart ?? 0.00085, BetaEnd ?? 0.012).WithTimesteps(RescaleTimesteps),
        NoiseScheduleKind.Cosine => DiscreteSchedule.Cosine(Timesteps).WithTimesteps(RescaleTimesteps),
        _ => throw new InvalidOperationException($"The model has the {OptionWords.Of(Schedule)} schedule, not discrete timesteps."),
    };

    /// <summary>The continuous schedule.</summary>
    /// <exception cref="InvalidOperationException">The model has a discrete schedule.</exception>
    public ContinuousSchedule Continuous() => Schedule == NoiseScheduleKind.Continuous
        ? new ContinuousSchedule(LogSnrMin, LogSnrMax)
        : throw new InvalidOperationException($"The model has the {OptionWords.Of(Schedule)} schedule, not the continuous one.");
}
