using System.Collections.Immutable;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Training;

/// <summary>How a model is trained. Stored in training checkpoints: a resumed run goes on exactly as it was set.</summary>
public sealed record TrainingSettings
{
    private const double HalfLifeRampUp = 0.05;
    private const int MostPowerAverages = 8;

    /// <summary>Images per step.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Optimiser steps in all.</summary>
    public int Steps { get; init; } = 10_000;

    /// <summary>Peak learning rate of AdamW.</summary>
    public double LearningRate { get; init; } = 1e-3;

    /// <summary>Learning rate at the end of the decay.</summary>
    public double FinalLearningRate { get; init; }

    /// <summary>How it decays.</summary>
    public LearningRateDecay LearningRateDecay { get; init; }

    /// <summary>Steps between two changes of a decaying learning rate: 1 for a smooth decay, the steps of a pass over the data for one change a pass.</summary>
    public int LearningRateInterval { get; init; } = 1;

    /// <summary>Steps of linear warm-up.</summary>
    public int WarmupSteps { get; init; } = 200;

    /// <summary>Decoupled weight decay; with 0, AdamW is Adam.</summary>
    public double WeightDecay { get; init; } = 0.01;

    /// <summary>AdamW's decay of the first moment.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>AdamW's decay of the second moment.</summary>
    public double Beta2 { get; init; } = 0.99;

    /// <summary>AdamW's epsilon.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Largest global norm of the gradient.</summary>
    public double GradientClip { get; init; } = 1;

    /// <summary>Decay of the exponential moving average, reached by min(decay, (1 + k) / (10 + k)).</summary>
    public double AverageDecay { get; init; } = 0.999;

    /// <summary>
    /// Half-life of the moving average in images, in place of <see cref="AverageDecay"/>; at most a twentieth of the images seen, as in EDM (Karras et al. 2022).
    /// </summary>
    public double? AverageHalfLife { get; init; }

    /// <summary>
    /// Relative widths of power-function averages that are kept beside the other, from which <see cref="PostHocAverage"/> makes that of any width after training;
    /// 0.05 and 0.1 in EDM2 (Karras et al. 2024). Each takes the memory of the weights.
    /// </summary>
    public ImmutableArray<double> PowerAverages { get; init; } = [];

    /// <summary>Probability that a label is replaced by the null class (p_uncond of Ho and Salimans 2022).</summary>
    public double NullProbability { get; init; } = 0.1;

    /// <summary>
    /// Weighting of the noise levels. Null counts every level the same in the error of what the network predicts: <see cref="LossWeighting.Simple"/>
    /// for eps, <see cref="LossWeighting.UniformX0"/> for x0, <see cref="LossWeighting.UniformV"/> for v; and it is EDM's own where the levels are EDM's sigmas.
    /// </summary>
    public LossWeighting? Weighting { get; init; }

    /// <summary>
    /// Train with a <see cref="Weighting"/> that grows without bound towards one end of the schedule for what the network predicts (uniform-v for eps, for
    /// example), which is refused otherwise: one level then is nearly all of the loss.
    /// </summary>
    public bool AllowUnboundedWeighting { get; init; }

    /// <summary>How often each timestep is shown; <see cref="TimestepSampling.LossSecondMoment"/> is for discrete timesteps.</summary>
    public TimestepSampling Timesteps { get; init; }

    /// <summary>Whether half of the images are mirrored, chosen anew in each step.</summary>
    public bool Flip { get; init; }

    /// <summary>Largest shift of an image in pixels, up, down, left and right, chosen anew in each step: a crop from an image with a frame.</summary>
    public int MaxShift { get; init; }

    /// <summary>Seed of weights, data order, noise, timesteps and label drop.</summary>
    public ulong Seed { get; init; }

    /// <summary>
    /// Learning rate of step <paramref name="k"/> (from 0): linear warm-up to the peak over W steps, then the decay to the final value at the last
    /// step. The warm-up starts at 1/W rather than at 0, for a step of 0 would be lost.
    /// </summary>
    public double LearningRateAt(long k)
    {
        if (k < WarmupSteps) return LearningRate * (k + 1) / WarmupSteps;
        long decayed = k - WarmupSteps;
        double progress = Math.Min(1, (double)(decayed - decayed % LearningRateInterval) / Math.Max(1, Steps - WarmupSteps));
        double left = LearningRateDecay switch
        {
            LearningRateDecay.Constant => 1,
            LearningRateDecay.Linear => 1 - progress,
            _ => 0.5 * (1 + Math.Cos(Math.PI * progress)),
        };
        return FinalLearningRate + (LearningRate - FinalLearningRate) * left;
    }

    /// <summary>Decay of the moving average at step <paramref name="k"/> (from 0).</summary>
    public double AverageDecayAt(long k)
    {
        if (AverageHalfLife is not { } halfLife) return Math.Min(AverageDecay, (1.0 + k) / (10.0 + k));
        double reached = Math.Min(halfLife, (double)k * BatchSize * HalfLifeRampUp);
        return reached > 0 ? Math.Pow(0.5, BatchSize / reached) : 0;
    }

    /// <summary>Constants of the optimiser at step <paramref name="k"/> (from 0).</summary>
    internal AdamWStep OptimiserAt(long k) => new()
    {
        Step = k + 1,
        LearningRate = LearningRateAt(k),
        Beta1 = Beta1,
        Beta2 = Beta2,
        Epsilon = Epsilon,
        WeightDecay = WeightDecay,
        ClipNorm = GradientClip,
        AverageDecay = AverageDecayAt(k),
    };

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        static void Require(bool ok, string message)
        {
            if (!ok) throw new ArgumentException(message);
        }
        Require(BatchSize is >= 1 and <= 65536, $"The batch size is 1 to 65536; got {BatchSize}.");
        Require(Steps >= 1, $"Training takes at least 1 step; got {Steps}.");
        Require(LearningRate is > 0 and <= 10, $"The learning rate is above 0 and at most 10; got {LearningRate}.");
        Require(FinalLearningRate >= 0 && FinalLearningRate <= LearningRate, $"The final learning rate is 0 to {LearningRate}; got {FinalLearningRate}.");
        Require(WarmupSteps >= 0, $"Warm-up is 0 steps or more; got {WarmupSteps}.");
        Require(Enum.IsDefined(LearningRateDecay), $"There is no decay {LearningRateDecay}; choose one of {string.Join(", ", Enum.GetNames<LearningRateDecay>())}.");
        Require(LearningRateInterval >= 1, $"The learning rate changes every step or more seldom, so its interval is 1 or more steps; got {LearningRateInterval}.");
        Require(AverageHalfLife is null or > 0, $"The average's half-life is a number of images above 0; got {AverageHalfLife}.");
        Require(!PowerAverages.IsDefault && PowerAverages.Length <= MostPowerAverages, $"At most {MostPowerAverages} power-function averages are kept; got {(PowerAverages.IsDefault ? "none" : PowerAverages.Length)}.");
        Require(PowerAverages.Distinct().Count() == PowerAverages.Length, $"Power-function averages are of different widths; got {string.Join(", ", PowerAverages)}.");
        foreach (double width in PowerAverages)
            Require(width > 0 && width < PowerFunctionAverage.GreatestWidth, FormattableString.Invariant($"A power-function average has a width above 0 and below {PowerFunctionAverage.GreatestWidth:0.####}; got {width}."));
        Require(Enum.IsDefined(Timesteps), $"There is no sampling of timesteps {Timesteps}; choose one of {string.Join(", ", Enum.GetNames<TimestepSampling>())}.");
        Require(MaxShift is >= 0 and <= 1024, $"Images are shifted by 0 to 1024 pixels; got {MaxShift}.");
        Require(WeightDecay is >= 0 and < 1, $"Weight decay is at least 0 and below 1; got {WeightDecay}.");
        Require(Beta1 is >= 0 and < 1 && Beta2 is >= 0 and < 1, $"AdamW's betas are at least 0 and below 1; got {Beta1}, {Beta2}.");
        Require(Epsilon > 0, $"AdamW's epsilon is above 0; got {Epsilon}.");
        Require(GradientClip > 0, $"The largest gradient norm is above 0; got {GradientClip}.");
        Require(AverageDecay is >= 0 and < 1, $"The average's decay is at least 0 and below 1; got {AverageDecay}.");
        Require(Weighting is null || Enum.IsDefined(Weighting.Value), $"There is no weighting {Weighting}; choose one of {string.Join(", ", Enum.GetNames<LossWeighting>())}.");
        Require(NullProbability is >= 0 and <= 1, $"The probability of the null label is 0 to 1; got {NullProbability}.");
    }
}
