using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace NativeDiffusion.Model.Autoencoders;

/// <summary>Whose names the tensors of a <see cref="KlAutoencoder"/> have.</summary>
public enum KlAutoencoderKeys
{
    /// <summary>The latent-diffusion code's: <c>encoder.down.0.block.0</c>, attention as 1x1 convolutions <c>q, k, v, proj_out</c>.</summary>
    LatentDiffusion,

    /// <summary>diffusers': <c>encoder.down_blocks.0.resnets.0</c>, attention as linear layers <c>to_q, to_k, to_v, to_out.0</c>.</summary>
    Diffusers,

    /// <summary>diffusers' in older files, whose attention layers are <c>query, key, value, proj_attn</c>.</summary>
    OldDiffusers,
}

/// <summary>
/// Arguments of the autoencoder of latent diffusion (Rombach et al., arXiv 2112.10752; <c>ddconfig</c> of <c>AutoencoderKL</c>), under their
/// published meaning. Defaults are those of the f8 autoencoder of Stable Diffusion.
/// </summary>
public sealed record KlAutoencoderConfig
{
    /// <summary>Channels of the images that are encoded.</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Channels of the images that come out of the decoder.</summary>
    public int OutCh { get; init; } = 3;

    /// <summary>Width of the first level; this and every level's width is a multiple of <see cref="NormGroups"/>.</summary>
    public int Ch { get; init; } = 128;

    /// <summary>Width of each level as a multiple of <see cref="Ch"/>; every level after the first halves height and width.</summary>
    public ImmutableArray<int> ChMult { get; init; } = [1, 2, 4, 4];

    /// <summary>Residual blocks per level of the encoder; the decoder has one more.</summary>
    public int NumResBlocks { get; init; } = 2;

    /// <summary>Channels of the latents; the encoder gives a mean and a log-variance for each.</summary>
    public int ZChannels { get; init; } = 4;

    /// <summary>Levels, 0 the first, that have attention after each residual block, besides the one in the middle.</summary>
    public ImmutableArray<int> AttentionLevels { get; init; } = [];

    /// <summary>Groups of every GroupNorm: 32 in the published networks; narrower networks need fewer.</summary>
    public int NormGroups { get; init; } = 32;

    /// <summary>What latents are multiplied by for a diffusion model, so that they have unit variance.</summary>
    public double ScaleFactor { get; init; } = 0.18215;

    /// <summary>Names of the tensors in files.</summary>
    public KlAutoencoderKeys Keys { get; init; }

    /// <summary>Height and width of an image divided by those of its latents.</summary>
    [JsonIgnore]
    public int Downsampling => 1 << (ChMult.Length - 1);

    /// <summary>The architecture whose tensors have these names and extents; null where they are no such autoencoder's. Groups and scale factor, which shapes do not show, keep their defaults; groups are 1 where 32 do not divide the width.</summary>
    /// <param name="shapes">Extents as published, by key without a prefix.</param>
    public static KlAutoencoderConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        foreach (var keys in Enum.GetValues<KlAutoencoderKeys>())
        {
            var names = KlKeys.Of(keys);
            if (shapes.ContainsKey(names.MiddleAttention("encoder") + $".{names.AttentionLayers.Qkv[0]}.weight")) return Infer(shapes, keys, names);
        }
        return null;
    }

    /// <summary>Checks the values against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        if (Problem is { } problem) throw new ArgumentException(problem);
    }

    internal int LevelWidth(int level) => Ch * ChMult[level];

    private string? Problem =>
        InChannels is < 1 or > 1024 || OutCh is < 1 or > 1024 || ZChannels is < 1 or > 1024
            ? $"in_channels, out_ch and z_channels are 1 to 1024; got {InChannels}, {OutCh}, {ZChannels}."
        : ChMult.IsDefaultOrEmpty || ChMult.Length > 8 ? "ch_mult has 1 to 8 entries."
        : NormGroups is < 1 or > 8192 ? $"norm_groups is 1 to 8192; got {NormGroups}."
        : Ch is < 1 or > 8192 || Ch % NormGroups != 0 || ChMult.Any(m => m is < 1 or > 64)
            ? $"ch is a multiple of norm_groups ({NormGroups}) up to 8192, and ch_mult holds numbers from 1 to 64; got {Ch} and {string.Join(", ", ChMult)}."
        : NumResBlocks is < 1 or > 64 ? $"num_res_blocks is 1 to 64; got {NumResBlocks}."
        : AttentionLevels.Any(l => l < 0 || l >= ChMult.Length) ? $"Attention is on levels 0 to {ChMult.Length - 1}; got {string.Join(", ", AttentionLevels)}."
        : ScaleFactor is not > 0 || double.IsInfinity(ScaleFactor) ? $"scale_factor is positive; got {ScaleFactor}."
        : null;

    private static KlAutoencoderConfig? Infer(IReadOnlyDictionary<string, long[]> shapes, KlAutoencoderKeys keys, KlKeys names)
    {
        long Extent(string key, int i) => shapes.TryGetValue(key, out long[]? extents) && extents.Length > i && extents[i] <= 1 << 20 ? extents[i] : 0;
        long width = Extent("encoder.conv_in.weight", 0), blocks = 0;
        if (width == 0) return null;
        var mult = ImmutableArray.CreateBuilder<int>();
        var attention = ImmutableArray.CreateBuilder<int>();
        for (int level = 0; Extent(FirstConv(level, 0), 0) is > 0 and var to; level++)
        {
            mult.Add((int)(to / width));
            if (shapes.ContainsKey($"{names.Down(level)}.{names.Attention}.0.{names.AttentionLayers.Norm}.weight")) attention.Add(level);
        }
        while (Extent(FirstConv(0, (int)blocks), 0) > 0) blocks++;
        var config = new KlAutoencoderConfig
        {
            InChannels = (int)Extent("encoder.conv_in.weight", 1),
            OutCh = (int)Extent("decoder.conv_out.weight", 0),
            Ch = (int)width,
            ChMult = mult.ToImmutable(),
            NumResBlocks = (int)blocks,
            ZChannels = (int)Extent("decoder.conv_in.weight", 1),
            AttentionLevels = attention.ToImmutable(),
            Keys = keys,
            NormGroups = width % 32 == 0 ? 32 : 1,
        };
        return config.Problem is null ? config : null;

        string FirstConv(int level, int block) => $"{names.Down(level)}.{names.Block}.{block}.conv1.weight";
    }
}
