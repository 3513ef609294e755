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

    /// <summary>Colour pictures of 32 x 32: <see cref="Small32"/>.</summary>
    public static UNetConfig Photos32 { get; } = Small32;

    /// <summary>Colour pictures of 64 x 64: attention at 16 and 8 pixels.</summary>
    public static UNetConfig Photos64 { get; } = Small32 with { ImageSize = 64, ChannelMult = [1, 2, 3, 4], AttentionResolutions = [4, 8] };

    /// <summary>Colour pictures of 128 x 128: attention at 16 and 8 pixels.</summary>
    public static UNetConfig Photos128 { get; } = Small32 with { ImageSize = 128, ChannelMult = [1, 1, 2, 3, 4], AttentionResolutions = [8, 16] };

    /// <summary>Training of the networks for pictures. How long it has to be depends on them; this is a beginning that can be seen.</summary>
    public static TrainingSettings PhotosTraining { get; } = new()
    {
        BatchSize = 32,
        Steps = 20_000,
        LearningRate = 3e-4,
        WarmupSteps = 500,
        AverageDecay = 0.9995,
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

    /// <summary>
    /// Digits of 28 x 28 for EDM's preconditioning and loss: a small form of its ADM network, whose null class is a label vector of zeros. 0.25 GFLOP per image.
    /// </summary>
    public static DhariwalUNetConfig Edm { get; } = new()
    {
        ImgResolution = 28,
        ImgChannels = 1,
        ModelChannels = 32,
        ChannelMult = [1, 1, 2],
        NumBlocks = 1,
        AttnResolutions = [7],
        LabelDim = 10,
        LabelDropout = 0.1,
        Dropout = 0,
    };

    /// <summary>Training of <see cref="Edm"/> as EDM's: Adam at a constant rate, a moving average by half-life.</summary>
    public static TrainingSettings EdmTraining { get; } = QuickTraining with
    {
        LearningRate = 1e-3,
        LearningRateDecay = LearningRateDecay.Constant,
        WeightDecay = 0,
        Beta2 = 0.999,
        AverageHalfLife = 10_000,
    };

    /// <summary>EDM's noise levels, for images whose standard deviation is about a half.</summary>
    public static DiffusionSettings EdmDiffusion { get; } = new() { Schedule = NoiseScheduleKind.Edm, Prediction = PredictionType.X0 };

    /// <summary>The perceptron of a tutorial on classifier-free guidance, 28 x 28 digits: 1.5 M parameters, 0.003 GFLOP per image.</summary>
    public static TutorialMlpConfig Tutorial { get; } = new();

    /// <summary>
    /// The tutorial's recipe for 60,000 images: AdamW with decay 0.01, a cosine that changes once a pass, clipping at 1, and the noisier half weighted more.
    /// The source trains for 100 passes; these are 20.
    /// </summary>
    public static TrainingSettings TutorialTraining { get; } = new()
    {
        BatchSize = 128,
        Steps = 20 * 469,
        LearningRate = 1e-4,
        LearningRateInterval = 469,
        WarmupSteps = 0,
        WeightDecay = 0.01,
        Beta2 = 0.999,
        Weighting = LossWeighting.LaterSteps,
    };

    /// <summary>What the tutorial predicts; its noise levels are not defined in the source, so these are the cosine's.</summary>
    public static DiffusionSettings TutorialDiffusion { get; } = new() { Schedule = NoiseScheduleKind.Cosine, Prediction = PredictionType.Eps };

    /// <summary>Noise levels and prediction that both trainings use: the cosine schedule, v.</summary>
    public static DiffusionSettings Diffusion { get; } = new() { Schedule = NoiseScheduleKind.Cosine, Prediction = PredictionType.V };

    /// <summary>A preset for other images: their padded size (see <see cref="PaddedSize"/>), channels and classes, and one class more for null; without classes, an unconditional one.</summary>
    /// <param name="preset">The network to follow, of any of this library's kinds.</param>
    /// <param name="data">The images as they are, before padding.</param>
    /// <param name="nullClass">Whether there is a null class; <see cref="DiffusionSettings.NullClass"/> says the same.</param>
    /// <exception cref="ArgumentException">A network that no preset follows.</exception>
    public static INetworkConfig For(INetworkConfig preset, ITrainingImages data, bool nullClass = true)
    {
        bool conditional = data.ClassNames.Count > 0;
        int size = PaddedSize(preset, data), labels = data.ClassNames.Count + (nullClass && conditional ? 1 : 0);
        return preset switch
        {
            UNetConfig network => network with { ImageSize = size, InChannels = data.Channels, OutChannels = data.Channels, NumClasses = conditional ? labels : null },
            EdmConfig network => network with
            {
                ImgResolution = size, ImgChannels = data.Channels, OutChannels = data.Channels, LabelDim = data.ClassNames.Count,
                AttnResolutions = [.. network.AttnResolutions.Select(at => at * size / network.ImgResolution)],
                LabelDropout = nullClass && conditional ? network.LabelDropout > 0 ? network.LabelDropout : Edm.LabelDropout : 0,
            },
            TutorialMlpConfig when !conditional => throw new ArgumentException("The tutorial's network learns classes, and these images have none."),
            TutorialMlpConfig network => network with { ImageSize = size, InChannels = data.Channels, NumClasses = labels },
            _ => throw new ArgumentException($"No preset follows a {preset.GetType().Name}."),
        };
    }

    /// <summary>
    /// The size to pad images to: the preset's own where they nearly fill it (28 becomes 32 for <see cref="Digits"/>), else their larger side,
    /// rounded up so that every level of the network halves it.
    /// </summary>
    /// <param name="preset">The network to follow.</param>
    /// <param name="data">The images as they are.</param>
    public static int PaddedSize(INetworkConfig preset, ITrainingImages data)
    {
        int levels = preset switch { UNetConfig network => network.ChannelMult.Length, EdmConfig network => network.ChannelMult.Length, _ => 1 };
        int multiple = 1 << (levels - 1), side = Math.Max(data.Height, data.Width);
        return side <= preset.ImageSize && preset.ImageSize - side <= multiple ? preset.ImageSize : (side + multiple - 1) / multiple * multiple;
    }
}
