using System.Collections.Immutable;

namespace NativeDiffusion.Model.Networks;

/// <summary>How <see cref="EncoderUNet"/> turns its features into logits, under the published names.</summary>
public enum ClassifierPool
{
    /// <summary>The mean over all pixels, and a linear layer.</summary>
    Adaptive,

    /// <summary>Attention of the mean over all pixels, as one more token, and a linear layer.</summary>
    Attention,

    /// <summary>The means of every block's result, and two linear layers with ReLU between.</summary>
    Spatial,

    /// <summary>As <see cref="Spatial"/>, with GroupNorm and SiLU between.</summary>
    SpatialV2,
}

/// <summary>
/// Constructor arguments of the noisy classifier of Dhariwal and Nichol (arXiv 2105.05233; <c>EncoderUNetModel</c> of guided-diffusion), under
/// their published meaning. Defaults are those of the published code.
/// </summary>
public sealed record EncoderUNetConfig : AdmConfig
{
    /// <summary>ImageNet at 64 pixels: <c>64x64_classifier.pt</c>.</summary>
    public static EncoderUNetConfig Cls64 { get; } = Published(64, [1, 2, 3, 4]) with { NumResBlocks = 4 };

    /// <summary>ImageNet at 128 pixels: <c>128x128_classifier.pt</c>.</summary>
    public static EncoderUNetConfig Cls128 { get; } = Published(128, [1, 1, 2, 3, 4]);

    /// <summary>ImageNet at 256 pixels: <c>256x256_classifier.pt</c>.</summary>
    public static EncoderUNetConfig Cls256 { get; } = Published(256, [1, 1, 2, 2, 4, 4]);

    /// <summary>ImageNet at 512 pixels: <c>512x512_classifier.pt</c>.</summary>
    public static EncoderUNetConfig Cls512 { get; } = Published(512, [0.5, 1, 1, 2, 2, 4, 4]);

    /// <summary>The published classifiers, as their checkpoints' names begin.</summary>
    public static IReadOnlyDictionary<string, EncoderUNetConfig> PublishedNetworks { get; } = new Dictionary<string, EncoderUNetConfig>
    {
        ["64x64_classifier"] = Cls64,
        ["128x128_classifier"] = Cls128,
        ["256x256_classifier"] = Cls256,
        ["512x512_classifier"] = Cls512,
    };

    /// <summary>How features become logits.</summary>
    public ClassifierPool Pool { get; init; } = ClassifierPool.Adaptive;

    /// <summary>Height and width of the last level.</summary>
    internal int LastSize => ImageSize >> (ChannelMult.Length - 1);

    /// <summary>A network of any size: widths doubled from level to level, attention at the last level, groups and heads as wide as they fit.</summary>
    /// <param name="imageSize">Height and width of the images, those of the denoiser.</param>
    /// <param name="inChannels">Channels of the images.</param>
    /// <param name="classes">Number of classes.</param>
    /// <param name="width">Channels of the first level, a multiple of 8.</param>
    /// <param name="levels">Resolutions, each half the one before.</param>
    /// <param name="blocks">Residual blocks per level.</param>
    /// <param name="pool">How features become logits; the published classifiers have <see cref="ClassifierPool.Attention"/>, <see cref="ClassifierPool.Adaptive"/> is the smallest.</param>
    /// <exception cref="ArgumentException">Such a network is not possible; the message says why.</exception>
    public static EncoderUNetConfig OfSize(
        int imageSize, int inChannels, int classes, int width = 16, int levels = 3, int blocks = 1, ClassifierPool pool = ClassifierPool.Attention)
    {
        Require(width is >= 8 and <= 8192 && width % 8 == 0, $"The width of a noisy classifier is a multiple of 8 up to 8192; got {width}.");
        Require(levels is >= 1 and <= 7, $"A noisy classifier has 1 to 7 levels; got {levels}.");
        int last = width << (levels - 1);
        var config = new EncoderUNetConfig
        {
            ImageSize = imageSize,
            InChannels = inChannels,
            OutChannels = classes,
            ModelChannels = width,
            NumResBlocks = blocks,
            ChannelMult = [.. Enumerable.Range(0, levels).Select(level => (double)(1 << level))],
            AttentionResolutions = [1 << (levels - 1)],
            NumHeadChannels = last % 64 == 0 ? 64 : last,
            UseScaleShiftNorm = true,
            ResblockUpdown = true,
            // 32 as published, but no group of fewer than two channels.
            NormGroups = width % 64 == 0 ? 32 : 8,
            Pool = pool,
        };
        config.Validate();
        return config;
    }

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(Enum.IsDefined(Pool), $"pool is adaptive, attention, spatial or spatial_v2; got {Pool}.");
        Require(Pool != ClassifierPool.Attention || NumHeadChannels is > 0, "The attention head of a classifier takes its heads from num_head_channels, which is absent.");
    }

    /// <summary>
    /// The configuration of a checkpoint from its keys and extents, or null where they are not those of this network; see
    /// <see cref="UNetConfig.Infer"/> for what extents do not tell.
    /// </summary>
    /// <param name="shapes">Published extents by key.</param>
    public static EncoderUNetConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        int? Classes(string layer) => AdmInference.Extent(shapes, layer + ".weight", 0);
        var (pool, classes) = Classes("out.2.c_proj") is { } attention ? (ClassifierPool.Attention, attention)
            : shapes.TryGetValue("out.0.weight", out long[]? head) && head.Length == 1 ? (ClassifierPool.Adaptive, Classes("out.3"))
            : Classes("out.1") is not null ? (ClassifierPool.SpatialV2, Classes("out.3"))
            : (ClassifierPool.Spatial, Classes("out.2"));
        if (classes is not { } outChannels || shapes.ContainsKey("output_blocks.0.0.in_layers.0.weight")) return null;
        var blank = new EncoderUNetConfig { ImageSize = 0, InChannels = 0, ModelChannels = 0, NumResBlocks = 0, OutChannels = outChannels, Pool = pool };
        if (AdmInference.Infer(shapes, blank) is not EncoderUNetConfig config) return null;
        if (AdmInference.Extent(shapes, "out.2.positional_embedding", 1) is { } tokens)
            config = config with { ImageSize = (int)Math.Sqrt(tokens - 1) << (config.ChannelMult.Length - 1), NumHeadChannels = config.NumHeadChannels ?? config.Width(config.ChannelMult.Length - 1) };
        return PublishedNetworks.Values.FirstOrDefault(known => config.HasShapesOf(known) && config.Pool == known.Pool && config.ImageSize == known.ImageSize) ?? config;
    }

    private static EncoderUNetConfig Published(int size, ImmutableArray<double> mult) => new()
    {
        ImageSize = size,
        InChannels = 3,
        OutChannels = 1000,
        ModelChannels = 128,
        NumResBlocks = 2,
        ChannelMult = mult,
        AttentionResolutions = [size / 32, size / 16, size / 8],
        NumHeadChannels = 64,
        UseScaleShiftNorm = true,
        ResblockUpdown = true,
        Pool = ClassifierPool.Attention,
    };
}
