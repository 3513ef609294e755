using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>How a classifier is trained.</summary>
public sealed record ClassifierTrainingSettings
{
    /// <summary>Passes over the images.</summary>
    public int Epochs { get; init; } = 4;

    /// <summary>Images per step.</summary>
    public int BatchSize { get; init; } = 64;

    /// <summary>Peak learning rate of AdamW; reached by linear warm-up and followed by a cosine to 0.</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>Steps of warm-up; at most a tenth of all steps are used.</summary>
    public int WarmupSteps { get; init; } = 200;

    /// <summary>Decoupled weight decay.</summary>
    public double WeightDecay { get; init; } = 0.02;

    /// <summary>Decay of the moving average of the weights, which is the result.</summary>
    public double AverageDecay { get; init; } = 0.995;

    /// <summary>Every image is moved by up to this many pixels in both directions, its border repeated.</summary>
    public int MaxShift { get; init; } = 2;

    /// <summary>Seed of data order and shifts.</summary>
    public ulong Seed { get; init; }

    /// <summary>The optimiser's part for a number of images.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    internal TrainingSettings ForImages(int count)
    {
        if (Epochs is < 1 or > 100_000) throw new ArgumentException($"Training takes 1 to 100000 epochs; got {Epochs}.");
        if (MaxShift is < 0 or > 1024) throw new ArgumentException($"Images are moved by 0 to 1024 pixels; got {MaxShift}.");
        if (BatchSize < 1) throw new ArgumentException($"The batch size is at least 1; got {BatchSize}.");
        int steps = checked((int)(((long)count * Epochs + BatchSize - 1) / BatchSize));
        var settings = new TrainingSettings
        {
            BatchSize = BatchSize,
            Steps = steps,
            LearningRate = LearningRate,
            WarmupSteps = Math.Min(WarmupSteps, steps / 10),
            WeightDecay = WeightDecay,
            Beta2 = 0.999,
            AverageDecay = AverageDecay,
            Seed = Seed,
        };
        settings.Validate();
        return settings;
    }
}
