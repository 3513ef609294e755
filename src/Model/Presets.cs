using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Model;

/// <summary>Networks and training settings that are known to work: the ones the command line tool offers and measures.</summary>
public static class Presets
{
    /// <summary>Digits of 32 x 32 x 1 in ten classes and the null class: 2.0 M parameters, 0.955 GFLOP per image.</summary>
    public static UNetConfig Digits { get; } = new()
    {
        ImageSize = 32,
        InChannels = 1,
        OutChannels = 1,
        ModelChannels = 32,
        ChannelMult = [1, 2, 2],
        NumResBlocks = 2,
        AttentionResolutions = [2, 4],
        NumHeads = 4,
        UseScaleShiftNorm = true,
        ResblockUpdown = true,
        NumClasses = 11,
    };

    /// <summary>Colour images of 32 x 32 in ten classes and the null class: 8.0 M parameters, 3.64 GFLOP per image.</summary>
    public static UNetConfig Small32 { get; } = Digits with { InChannels = 3, OutChannels = 3, ModelChannels = 64 };

    /// <summary>Colour images of 64 x 64 in 1000 classes and the null class, with learned variance: 100.9 M parameters, 70.2 GFLOP per image.</summary>
    public static UNetConfig Base64 { get; } = new()
    {
        ImageSize = 64,
        InChannels = 3,
        OutChannels = 6,
        ModelChannels = 128,
        ChannelMult = [1, 2, 3, 4],
        NumResBlocks = 2,
        AttentionResolutions = [4, 8],
        NumHeadChannels = 64,
        UseScaleShiftNorm = true,
        ResblockUpdown = true,
        NumClasses = 1001,
    };

    /// <summary>A network for digits that trains in minutes: at most 0.25 GFLOP per image.</summary>
    public static UNetConfig Quick { get; } = Digits with
    {
        ImageSize = 28,
        ChannelMult = [1, 1, 2],
        NumResBlocks = 1,
        AttentionResolutions = [4],
        ResblockUpdown = false,
    };

    /// <summary>Training of <see cref="Quick"/>: about ten minutes on two cores.</summary>
    public static TrainingSettings QuickTraining { get; } = new()
    {
        BatchSize = 64,
        Steps = 1500,
        LearningRate = 2e-3,
        WarmupSteps = 100,
        AverageDecay = 0.995,
    };

    /// <summary>Training of <see cref="Digits"/>, that of the shipped model: nearly five passes over the digits.</summary>
    public static TrainingSettings DigitsTraining { get; } = new()
    {
        BatchSize = 64,
        Steps = 4500,
        LearningRate = 1e-3,
        WarmupSteps = 200,
        AverageDecay = 0.999,
    };

    /// <summary>Noise levels and prediction that both trainings use: the cosine schedule, v.</summary>
    public static DiffusionSettings Diffusion { get; } = new() { Schedule = NoiseScheduleKind.Cosine, Prediction = PredictionType.V };

    /// <summary>A preset for other images: their padded size (see <see cref="PaddedSize"/>), channels and classes, and one class more for null.</summary>
    /// <param name="preset">The network to follow.</param>
    /// <param name="data">The images as they are, before padding.</param>
    /// <param name="nullClass">Whether there is a null class; <see cref="DiffusionSettings.NullClass"/> says the same.</param>
    public static UNetConfig For(UNetConfig preset, ImageDataset data, bool nullClass = true) => preset with
    {
        ImageSize = PaddedSize(preset, data),
        InChannels = data.Channels,
        OutChannels = data.Channels,
        NumClasses = data.ClassCount + (nullClass ? 1 : 0),
    };

    /// <summary>
    /// The size to pad images to: the preset's own where they nearly fill it (28 becomes 32 for <see cref="Digits"/>), else their larger side,
    /// rounded up so that every level of the network halves it.
    /// </summary>
    /// <param name="preset">The network to follow.</param>
    /// <param name="data">The images as they are.</param>
    public static int PaddedSize(UNetConfig preset, ImageDataset data)
    {
        int multiple = 1 << (preset.ChannelMult.Length - 1), side = Math.Max(data.Height, data.Width);
        return side <= preset.ImageSize && preset.ImageSize - side <= multiple ? preset.ImageSize : (side + multiple - 1) / multiple * multiple;
    }
}
