using System.Collections.Immutable;

namespace NativeDiffusion.Model.Networks;

/// <summary>How <see cref="SongUNet"/> embeds its time.</summary>
public enum SongEmbedding
{
    /// <summary>Sines and cosines of geometrically spaced frequencies (DDPM++).</summary>
    Positional,

    /// <summary>Sines and cosines of random frequencies, which are part of the weights (NCSN++).</summary>
    Fourier,
}

/// <summary>What <see cref="SongUNet"/> does with the image itself on the way down and up.</summary>
public enum SongPath
{
    /// <summary>Nothing.</summary>
    Standard,

    /// <summary>Down: the smaller image is added at every level. Up: every level adds to the image.</summary>
    Skip,

    /// <summary>Down only: a residual path along the levels (NCSN++).</summary>
    Residual,
}

/// <summary>
/// Constructor arguments of EDM's form of the DDPM++ and NCSN++ networks (<c>SongUNet</c>), under their published meaning and with the published
/// defaults.
/// </summary>
public sealed record SongUNetConfig : EdmConfig
{
    /// <summary>The arguments with their defaults.</summary>
    public SongUNetConfig() => (ModelChannels, ChannelMult, NumBlocks, AttnResolutions) = (128, [1, 2, 2, 2], 4, [16]);

    /// <summary>DDPM++ for CIFAR-10 with labels: <c>edm-cifar10-32x32-cond-vp.pkl</c>.</summary>
    public static SongUNetConfig DdpmPlusPlus { get; } = new() { ImgResolution = 32, ChannelMult = [2, 2, 2], LabelDim = 10, AugmentDim = 9, Dropout = 0.13 };

    /// <summary>NCSN++ for CIFAR-10 with labels: <c>edm-cifar10-32x32-cond-ve.pkl</c>.</summary>
    public static SongUNetConfig NcsnPlusPlus { get; } = DdpmPlusPlus with
    {
        EmbeddingType = SongEmbedding.Fourier,
        EncoderType = SongPath.Residual,
        ChannelMultNoise = 2,
        ResampleFilter = [1, 3, 3, 1],
    };

    /// <summary>How the time is embedded.</summary>
    public SongEmbedding EmbeddingType { get; init; }

    /// <summary>Width of the time's embedding as a multiple of the model's.</summary>
    public int ChannelMultNoise { get; init; } = 1;

    /// <summary>The image's path on the way down.</summary>
    public SongPath EncoderType { get; init; }

    /// <summary>The image's path on the way up; not residual.</summary>
    public SongPath DecoderType { get; init; }

    /// <summary>Filter of the resampling along either axis, an even number of numbers, at most 8, whose sum is not 0.</summary>
    public ImmutableArray<double> ResampleFilter { get; init; } = [1, 1];

    internal int NoiseWidth => ChannelMultNoise * ModelChannels;

    /// <inheritdoc/>
    public override EdmUNet CreateNetwork() => new SongUNet(this);

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Require(ChannelMultNoise is >= 1 and <= 64, $"channel_mult_noise is 1 to 64; got {ChannelMultNoise}.");
        Require(DecoderType != SongPath.Residual, "decoder_type is standard or skip; got residual.");
        Require(!ResampleFilter.IsDefault && ResampleFilter.Length is 2 or 4 or 6 or 8 && ResampleFilter.All(double.IsFinite) && ResampleFilter.Sum() != 0,
            $"resample_filter has 2, 4, 6 or 8 finite numbers whose sum is not 0; got [{(ResampleFilter.IsDefault ? "" : string.Join(", ", ResampleFilter))}].");
    }

    /// <summary>
    /// The configuration of a checkpoint from its keys and extents, or null where they are not those of this network. A resampling filter of four
    /// taps is taken for [1, 3, 3, 1], that of the published networks.
    /// </summary>
    /// <param name="shapes">Published extents by key, without a prefix.</param>
    public static SongUNetConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (EdmInference.Resolution(shapes) is not { } size || EdmInference.Extent(shapes, $"dec.{size}x{size}_aux_conv.weight", 0) is not { } outChannels
            || EdmInference.Extent(shapes, $"enc.{size}x{size}_conv.weight", 0) is not { } width || EdmInference.Extent(shapes, "map_layer0.weight", 1) is not { } noiseWidth)
            return null;
        string half = $"{size / 2}x{size / 2}";
        return (SongUNetConfig?)EdmInference.Infer(shapes, new SongUNetConfig
        {
            ImgResolution = size,
            OutChannels = outChannels,
            ModelChannels = width,
            ChannelMultNoise = noiseWidth / width,
            EmbeddingType = shapes.ContainsKey("map_noise.freqs") ? SongEmbedding.Fourier : SongEmbedding.Positional,
            EncoderType = shapes.ContainsKey($"enc.{half}_aux_residual.weight") ? SongPath.Residual
                : shapes.ContainsKey($"enc.{half}_aux_skip.weight") ? SongPath.Skip : SongPath.Standard,
            DecoderType = shapes.ContainsKey($"dec.{half}_aux_conv.weight") ? SongPath.Skip : SongPath.Standard,
            ResampleFilter = EdmInference.Extent(shapes, $"enc.{half}_down.conv0.resample_filter", 3) == 4 ? [1, 3, 3, 1] : [1, 1],
        });
    }
}
