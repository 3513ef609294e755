using System.Collections.Immutable;
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
}

/// <summary>What a checkpoint has to say besides its network: noise levels, what is predicted, classes, image size.</summary>
public sealed record DiffusionSettings
{
    /// <summary>Noise levels of the training.</summary>
    public NoiseScheduleKind Schedule { get; init; } = NoiseScheduleKind.Cosine;

    /// <summary>Number of discrete noise levels, T; unused by the continuous schedule.</summary>
    public int Timesteps { get; init; } = 1000;

    /// <summary>Lowest log-SNR of the continuous schedule.</summary>
    public double LogSnrMin { get; init; } = -20;

    /// <summary>Highest log-SNR of the continuous schedule.</summary>
    public double LogSnrMax { get; init; } = 20;

    /// <summary>What the network predicts.</summary>
    public PredictionType Prediction { get; init; } = PredictionType.Eps;

    /// <summary>Names of the classes; their indices are the labels. Empty for an unconditional model.</summary>
    public ImmutableArray<string> ClassNames { get; init; } = [];

    /// <summary>Height and width of the data, when the network's image size pads them.</summary>
    public int? DataSize { get; init; }

    /// <summary>The discrete schedule.</summary>
    /// <exception cref="InvalidOperationException">The model has a continuous schedule.</exception>
    public DiscreteSchedule Discrete() => Schedule switch
    {
        NoiseScheduleKind.Linear => DiscreteSchedule.Linear(Timesteps),
        NoiseScheduleKind.Cosine => DiscreteSchedule.Cosine(Timesteps),
        _ => throw new InvalidOperationException("The model has a continuous schedule, not discrete timesteps."),
    };

    /// <summary>The continuous schedule.</summary>
    /// <exception cref="InvalidOperationException">The model has a discrete schedule.</exception>
    public ContinuousSchedule Continuous() => Schedule == NoiseScheduleKind.Continuous
        ? new ContinuousSchedule(LogSnrMin, LogSnrMax)
        : throw new InvalidOperationException($"The model has the discrete {Schedule} schedule, not a continuous one.");
}
