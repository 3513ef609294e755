using System.Collections.Immutable;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Constructor arguments that the networks of Karras et al. 2022 (EDM, arXiv 2206.00364) have in common, under their published meaning.
/// </summary>
public abstract record EdmConfig : INetworkConfig
{
    private readonly int? _outChannels;

    private protected EdmConfig() { }

    /// <summary>Height and width of the images; divisible by 2 to the number of levels minus one.</summary>
    public required int ImgResolution { get; init; }

    /// <summary>Channels of the images.</summary>
    public int ImgChannels { get; init; } = 3;

    /// <summary>Channels of the prediction: those of the images (the default), or twice as many under iDDPM's preconditioning.</summary>
    public int OutChannels
    {
        get => _outChannels ?? ImgChannels;
        init => _outChannels = value;
    }

    /// <summary>Number of classes; 0 for an unconditional network.</summary>
    public int LabelDim { get; init; }

    /// <summary>Length of the vector that says how a training image was augmented; 0 for none. Sampling leaves it out.</summary>
    public int AugmentDim { get; init; }

    /// <summary>Width that those of the levels are multiples of.</summary>
    public int ModelChannels { get; init; }

    /// <summary>Width of each level as a multiple of <see cref="ModelChannels"/>.</summary>
    public ImmutableArray<int> ChannelMult { get; init; }

    /// <summary>Width of the embedding as a multiple of <see cref="ModelChannels"/>.</summary>
    public int ChannelMultEmb { get; init; } = 4;

    /// <summary>Residual blocks per level on the way down (one more on the way up).</summary>
    public int NumBlocks { get; init; }

    /// <summary>Heights of the feature maps that have attention.</summary>
    public ImmutableArray<int> AttnResolutions { get; init; }

    /// <summary>Dropout probability before the second convolution of each residual block.</summary>
    public double Dropout { get; init; } = 0.1;

    /// <summary>Probability with which training replaces a label by the null class, which is a label vector of zeros; 0 for no null class.</summary>
    public double LabelDropout { get; init; }

    int INetworkConfig.ImageSize => ImgResolution;

    int INetworkConfig.InChannels => ImgChannels;

    int? INetworkConfig.NumClasses => LabelDim == 0 ? null : LabelDropout > 0 ? LabelDim + 1 : LabelDim;

    internal int EmbeddingWidth => ChannelMultEmb * ModelChannels;

    /// <summary>Prefixes of the keys in published files, where the network is inside its preconditioning.</summary>
    public static IReadOnlyList<string> Prefixes { get; } = ["model."];

    /// <inheritdoc/>
    public IDiffusionNetwork Create() => CreateNetwork();

    /// <summary>The network of these arguments.</summary>
    /// <exception cref="ArgumentException">They are not possible together; the message says why.</exception>
    public abstract EdmUNet CreateNetwork();

    /// <summary>Whether a key of a published file (without prefix) is a constant that the network does not read from the file.</summary>
    public static bool IsBuffer(string key) => key == "u" || key.EndsWith(".resample_filter", StringComparison.Ordinal);

    /// <summary>Checks the values against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public virtual void Validate()
    {
        Require(ImgResolution is >= 1 and <= 4096, $"img_resolution is 1 to 4096; got {ImgResolution}.");
        Require(ImgChannels is >= 1 and <= 1024, $"img_channels is 1 to 1024; got {ImgChannels}.");
        Require(OutChannels is >= 1 and <= 2048, $"out_channels is 1 to 2048; got {OutChannels}.");
        Require(LabelDim is >= 0 and <= 1_000_000, $"label_dim is 0 to 1000000; got {LabelDim}.");
        Require(AugmentDim is >= 0 and <= 65536, $"augment_dim is 0 to 65536; got {AugmentDim}.");
        Require(ModelChannels is >= 4 and <= 8192 && ModelChannels % 4 == 0, $"model_channels is a multiple of 4 up to 8192; got {ModelChannels}.");
        Require(ChannelMultEmb is >= 1 and <= 64, $"channel_mult_emb is 1 to 64; got {ChannelMultEmb}.");
        Require(NumBlocks is >= 1 and <= 64, $"num_blocks is 1 to 64; got {NumBlocks}.");
        Require(!ChannelMult.IsDefaultOrEmpty && ChannelMult.Length <= 12 && ChannelMult.All(m => m is >= 1 and <= 64), "channel_mult has 1 to 12 entries from 1 to 64.");
        Require(!AttnResolutions.IsDefault, "attn_resolutions is absent; an empty list is none.");
        Require(ImgResolution % (1 << (ChannelMult.Length - 1)) == 0,
            $"img_resolution {ImgResolution} cannot be halved {ChannelMult.Length - 1} times, as {ChannelMult.Length} levels need.");
        Require(Dropout is >= 0 and < 1, $"dropout is at least 0 and below 1; got {Dropout}.");
        Require(LabelDropout is >= 0 and <= 1, $"label_dropout is 0 to 1; got {LabelDropout}.");
    }

    private protected static void Require(bool ok, string message)
    {
        if (!ok) throw new ArgumentException(message);
    }
}
