namespace NativeDiffusion.Model.Networks;

/// <summary>Constructor arguments of EDM's form of the ADM network (<c>DhariwalUNet</c>), under their published meaning and with the published defaults.</summary>
public sealed record DhariwalUNetConfig : EdmConfig
{
    /// <summary>The arguments with their defaults.</summary>
    public DhariwalUNetConfig() => (ModelChannels, ChannelMult, NumBlocks, AttnResolutions) = (192, [1, 2, 3, 4], 3, [32, 16, 8]);

    /// <summary>ImageNet at 64 pixels with labels: <c>edm-imagenet-64x64-cond-adm.pkl</c>.</summary>
    public static DhariwalUNetConfig ImageNet64 { get; } = new() { ImgResolution = 64, LabelDim = 1000 };

    /// <inheritdoc/>
    public override EdmUNet CreateNetwork() => new DhariwalUNet(this);

    /// <summary>The configuration of a checkpoint from its keys and extents, or null where they are not those of this network.</summary>
    /// <param name="shapes">Published extents by key, without a prefix.</param>
    public static DhariwalUNetConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (EdmInference.Extent(shapes, "out_conv.weight", 0) is not { } outChannels) return null;
        var found = new DhariwalUNetConfig { ImgResolution = 0, OutChannels = outChannels, ModelChannels = EdmInference.Extent(shapes, "map_layer0.weight", 1) ?? 0 };
        return (DhariwalUNetConfig?)EdmInference.Infer(shapes, found);
    }
}
