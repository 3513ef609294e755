using System.Collections.Immutable;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Constructor arguments of the U-Net of Dhariwal and Nichol (arXiv 2105.05233; <c>UNetModel</c> of guided-diffusion), under their published
/// meaning. Defaults are those of the published code.
/// </summary>
public sealed record UNetConfig : AdmConfig, INetworkConfig
{
    /// <summary>ImageNet at 64 pixels with labels: <c>64x64_diffusion.pt</c>. Trained on the cosine schedule, 1000 steps, as none of the others.</summary>
    public static UNetConfig Adm64 { get; } = Published(64, [1, 2, 3, 4]) with { ModelChannels = 192, NumResBlocks = 3, Dropout = 0.1, UseNewAttentionOrder = true };

    /// <summary>ImageNet at 128 pixels with labels: <c>128x128_diffusion.pt</c>.</summary>
    public static UNetConfig Adm128 { get; } = Published(128, [1, 1, 2, 3, 4]) with { NumHeads = 4, NumHeadChannels = null };

    /// <summary>ImageNet at 256 pixels with labels: <c>256x256_diffusion.pt</c>.</summary>
    public static UNetConfig Adm256 { get; } = Published(256, [1, 1, 2, 2, 4, 4]);

    /// <summary>ImageNet at 256 pixels without labels: <c>256x256_diffusion_uncond.pt</c>.</summary>
    public static UNetConfig Adm256Uncond { get; } = Adm256 with { NumClasses = null };

    /// <summary>ImageNet at 512 pixels with labels: <c>512x512_diffusion.pt</c>.</summary>
    public static UNetConfig Adm512 { get; } = Published(512, [0.5, 1, 1, 2, 2, 4, 4]);

    /// <summary>Rows of the label embedding, the null class included; null for an unconditional network.</summary>
    public int? NumClasses { get; init; }

    /// <summary>The published networks, as their checkpoints' names begin.</summary>
    public static IReadOnlyDictionary<string, UNetConfig> PublishedNetworks { get; } = new Dictionary<string, UNetConfig>
    {
        ["64x64_diffusion"] = Adm64,
        ["128x128_diffusion"] = Adm128,
        ["256x256_diffusion"] = Adm256,
        ["256x256_diffusion_uncond"] = Adm256Uncond,
        ["512x512_diffusion"] = Adm512,
    };

    /// <inheritdoc/>
    public IDiffusionNetwork Create() => new UNet(this);

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(NumClasses is null or >= 1 and <= 1_000_000, $"num_classes is 1 to 1000000, or absent; got {NumClasses}.");
    }

    /// <summary>
    /// The configuration of a checkpoint from its keys and extents, or null where they are not those of this network. What extents do not tell is
    /// taken from the published network that has the same ones. Failing that, heads have 64 channels where residual blocks resample and there are
    /// 4 elsewhere (1 where that is not possible), the order of qkv is the legacy one, and the last level with attention has 8 x 8 pixels.
    /// </summary>
    /// <param name="shapes">Published extents by key.</param>
    public static UNetConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (AdmInference.Extent(shapes, "out.2.weight", 0) is not { } outChannels || !shapes.ContainsKey("output_blocks.0.0.in_layers.0.weight")) return null;
        var blank = new UNetConfig { ImageSize = 0, InChannels = 0, ModelChannels = 0, NumResBlocks = 0, OutChannels = outChannels };
        if (AdmInference.Infer(shapes, blank) is not UNetConfig config) return null;
        config = config with { NumClasses = AdmInference.Extent(shapes, "label_emb.weight", 0) };
        return PublishedNetworks.Values.FirstOrDefault(known => config.HasShapesOf(known) && config.NumClasses == known.NumClasses) ?? config;
    }

    private static UNetConfig Published(int size, ImmutableArray<double> mult) => new()
    {
        ImageSize = size,
        InChannels = 3,
        OutChannels = 6,
        ModelChannels = 256,
        NumResBlocks = 2,
        ChannelMult = mult,
        AttentionResolutions = [size / 32, size / 16, size / 8],
        NumClasses = 1000,
        NumHeadChannels = 64,
        UseScaleShiftNorm = true,
        ResblockUpdown = true,
    };
}
