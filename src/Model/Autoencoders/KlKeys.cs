using NativeDiffusion.Model.Networks.Layers;

namespace NativeDiffusion.Model.Autoencoders;

/// <summary>Names of an autoencoder's layers. Levels are counted from full resolution; diffusers counts those of the decoder from the deepest.</summary>
internal sealed record KlKeys
{
    private static readonly KlKeys LatentDiffusion = new()
    {
        Block = "block",
        Attention = "attn",
        Downsample = "downsample.conv",
        Upsample = "upsample.conv",
        NormOut = "norm_out",
        BlockLayers = new("norm1", "conv1", "", "norm2", "conv2", "nin_shortcut"),
        AttentionLayers = new("norm", ["q", "k", "v"], "proj_out"),
        AttentionRank = 4,
    };

    private static readonly KlKeys Diffusers = new()
    {
        Block = "resnets",
        Attention = "attentions",
        Downsample = "downsamplers.0.conv",
        Upsample = "upsamplers.0.conv",
        NormOut = "conv_norm_out",
        BlockLayers = new("norm1", "conv1", "", "norm2", "conv2", "conv_shortcut"),
        AttentionLayers = new("group_norm", ["to_q", "to_k", "to_v"], "to_out.0"),
        AttentionRank = 2,
    };

    public required string Block { get; init; }

    public required string Attention { get; init; }

    public required string Downsample { get; init; }

    public required string Upsample { get; init; }

    public required string NormOut { get; init; }

    public required ResBlockKeys BlockLayers { get; init; }

    public required AttentionKeys AttentionLayers { get; init; }

    public required int AttentionRank { get; init; }

    private bool IsDiffusers => AttentionRank == 2;

    public static KlKeys Of(KlAutoencoderKeys keys) => keys switch
    {
        KlAutoencoderKeys.LatentDiffusion => LatentDiffusion,
        KlAutoencoderKeys.Diffusers => Diffusers,
        _ => Diffusers with { AttentionLayers = new("group_norm", ["query", "key", "value"], "proj_attn") },
    };

    public string Down(int level) => $"encoder.{(IsDiffusers ? "down_blocks" : "down")}.{level}";

    public string Up(int level, int levels) => IsDiffusers ? $"decoder.up_blocks.{levels - 1 - level}" : $"decoder.up.{level}";

    /// <summary>The block before (0) or after (1) the attention in the middle.</summary>
    public string MiddleBlock(string side, int i) => IsDiffusers ? $"{side}.mid_block.resnets.{i}" : $"{side}.mid.block_{i + 1}";

    public string MiddleAttention(string side) => side + (IsDiffusers ? ".mid_block.attentions.0" : ".mid.attn_1");
}
