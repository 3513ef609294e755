using System.Collections.Immutable;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Constructor arguments that the U-Net and the noisy classifier of Dhariwal and Nichol (arXiv 2105.05233; guided-diffusion) have in common,
/// under their published meaning. Defaults are those of the published code.
/// </summary>
public abstract record AdmConfig
{
    /// <summary>Height and width of the images; divisible by 2 to the number of levels minus one.</summary>
    public required int ImageSize { get; init; }

    /// <summary>Channels of the image.</summary>
    public required int InChannels { get; init; }

    /// <summary>Width of the first level; this and every level's width is a multiple of <see cref="NormGroups"/>.</summary>
    public required int ModelChannels { get; init; }

    /// <summary>
    /// Channels of the result. Of a U-Net: those of the image, or twice as many when the variance is learned. Of a classifier: its classes.
    /// </summary>
    public required int OutChannels { get; init; }

    /// <summary>Residual blocks per level on the way down (one more on the way up).</summary>
    public required int NumResBlocks { get; init; }

    /// <summary>Down-sampling rates (1, 2, 4, ...) at which attention is used.</summary>
    public ImmutableArray<int> AttentionResolutions { get; init; } = [];

    /// <summary>Width of each level as a multiple of <see cref="ModelChannels"/>.</summary>
    public ImmutableArray<double> ChannelMult { get; init; } = [1, 2, 4, 8];

    /// <summary>Dropout probability before the second convolution of each residual block.</summary>
    public double Dropout { get; init; }

    /// <summary>Whether plain down- and up-sampling has a convolution; unused with <see cref="ResblockUpdown"/>.</summary>
    public bool ConvResample { get; init; } = true;

    /// <summary>Attention heads, when <see cref="NumHeadChannels"/> is null.</summary>
    public int NumHeads { get; init; } = 1;

    /// <summary>Channels per attention head; null (or the published -1) to fix the number of heads instead.</summary>
    public int? NumHeadChannels { get; init; }

    /// <summary>Attention heads on the way up, when different; null or the published -1 when not.</summary>
    public int? NumHeadsUpsample { get; init; }

    /// <summary>Whether the embedding scales and shifts the second normalisation (true) or is added before it.</summary>
    public bool UseScaleShiftNorm { get; init; }

    /// <summary>Whether residual blocks do the resampling.</summary>
    public bool ResblockUpdown { get; init; }

    /// <summary>Channel order of the attention's qkv: split first (true), or grouped by head (false, the published default).</summary>
    public bool UseNewAttentionOrder { get; init; }

    /// <summary>Groups of every GroupNorm: 32 in the published networks; narrower networks need fewer.</summary>
    public int NormGroups { get; init; } = 32;

    /// <summary>Whether two configurations declare the same tensors in the same blocks.</summary>
    internal bool HasShapesOf(AdmConfig other) =>
        (InChannels, ModelChannels, OutChannels, NumResBlocks, UseScaleShiftNorm, ResblockUpdown)
            == (other.InChannels, other.ModelChannels, other.OutChannels, other.NumResBlocks, other.UseScaleShiftNorm, other.ResblockUpdown)
        && ChannelMult.SequenceEqual(other.ChannelMult) && AttentionResolutions.Order().SequenceEqual(other.AttentionResolutions.Order());

    /// <summary>Checks the values against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public virtual void Validate()
    {
        Require(ImageSize is >= 1 and <= 4096, $"image_size is 1 to 4096; got {ImageSize}.");
        Require(InChannels is >= 1 and <= 1024, $"in_channels is 1 to 1024; got {InChannels}.");
        Require(OutChannels is >= 1 and <= 2048, $"out_channels is 1 to 2048; got {OutChannels}.");
        Require(NormGroups is >= 1 and <= 8192, $"norm_groups is 1 to 8192; got {NormGroups}.");
        Require(ModelChannels is >= 1 and <= 8192 && ModelChannels % NormGroups == 0,
            $"model_channels is a multiple of norm_groups ({NormGroups}) up to 8192; got {ModelChannels}.");
        Require(NumResBlocks is >= 1 and <= 64, $"num_res_blocks is 1 to 64; got {NumResBlocks}.");
        Require(!ChannelMult.IsDefaultOrEmpty && ChannelMult.Length <= 12, "channel_mult has 1 to 12 entries.");
        foreach (double mult in ChannelMult)
            Require(mult > 0 && mult <= 64 && (int)(mult * ModelChannels) % NormGroups == 0 && (int)(mult * ModelChannels) > 0,
                $"channel_mult times model_channels is a multiple of norm_groups ({NormGroups}); got {mult} x {ModelChannels}.");
        Require(ImageSize % (1 << (ChannelMult.Length - 1)) == 0,
            $"image_size {ImageSize} cannot be halved {ChannelMult.Length - 1} times, as {ChannelMult.Length} levels need.");
        Require(NumHeads >= 1 && NumHeadChannels is null or -1 or >= 1, $"Attention needs at least one head of at least one channel; got {NumHeads}, {NumHeadChannels}.");
        Require(Dropout is >= 0 and < 1, $"dropout is at least 0 and below 1; got {Dropout}.");
    }

    private protected static void Require(bool ok, string message)
    {
        if (!ok) throw new ArgumentException(message);
    }

    /// <summary>Channels at a level.</summary>
    internal int Width(int level) => (int)(ChannelMult[level] * ModelChannels);

    /// <summary>Heads of an attention over <paramref name="width"/> channels.</summary>
    /// <exception cref="ArgumentException">They do not divide it.</exception>
    internal int Heads(int width, bool upwards = false)
    {
        int? perHead = NumHeadChannels is > 0 ? NumHeadChannels : null;
        int heads = upwards && NumHeadsUpsample is > 0 ? NumHeadsUpsample.Value : NumHeads, count = perHead is { } channels ? width / channels : heads;
        return count > 0 && width % count == 0 && (perHead is null || width % perHead == 0)
            ? count
            : throw new ArgumentException(perHead is not null
                ? $"Attention over {width} channels cannot have {perHead} channels per head (num_head_channels)."
                : $"Attention over {width} channels cannot be split into {heads} heads (num_heads).");
    }
}
