namespace NativeDiffusion.Model.Clip;

/// <summary>
/// Constructor arguments of CLIP with a vision transformer (Radford et al., arXiv 2103.00020; <c>CLIP</c> of openai/CLIP), under their published
/// meaning. Heads of the image tower have 64 channels.
/// </summary>
public sealed record ClipConfig
{
    private const int HeadChannels = 64;

    /// <summary>Channels of the common embedding.</summary>
    public required int EmbedDim { get; init; }

    /// <summary>Height and width of the images.</summary>
    public required int ImageResolution { get; init; }

    /// <summary>Blocks of the image tower.</summary>
    public required int VisionLayers { get; init; }

    /// <summary>Channels of its tokens; a multiple of 64.</summary>
    public required int VisionWidth { get; init; }

    /// <summary>Height and width of a patch; divides <see cref="ImageResolution"/>.</summary>
    public required int VisionPatchSize { get; init; }

    /// <summary>Tokens of a text.</summary>
    public int ContextLength { get; init; } = 77;

    /// <summary>Rows of the token embedding.</summary>
    public int VocabSize { get; init; } = 49408;

    /// <summary>Channels of the text tower's tokens.</summary>
    public required int TransformerWidth { get; init; }

    /// <summary>Attention heads of the text tower; divides its width.</summary>
    public required int TransformerHeads { get; init; }

    /// <summary>Blocks of the text tower.</summary>
    public required int TransformerLayers { get; init; }

    /// <summary>Attention heads of the image tower.</summary>
    internal int VisionHeads => VisionWidth / HeadChannels;

    /// <summary>Patches along an edge of the image.</summary>
    internal int Grid => ImageResolution / VisionPatchSize;

    /// <summary>A published model with a vision transformer.</summary>
    /// <param name="name"><c>ViT-B/32</c>, <c>ViT-B/16</c>, <c>ViT-L/14</c> or <c>ViT-L/14@336px</c>.</param>
    /// <exception cref="ArgumentException">No such model.</exception>
    public static ClipConfig Preset(string name) => name switch
    {
        "ViT-B/32" => Of(12, 768, 32, 224, 512, 512),
        "ViT-B/16" => Of(12, 768, 16, 224, 512, 512),
        "ViT-L/14" => Of(24, 1024, 14, 224, 768, 768),
        "ViT-L/14@336px" => Of(24, 1024, 14, 336, 768, 768),
        _ => throw new ArgumentException($"The published models are ViT-B/32, ViT-B/16, ViT-L/14 and ViT-L/14@336px; got '{name}'."),
    };

    /// <summary>
    /// The configuration of a checkpoint, from its keys and their published extents; null where it is not of this family. Heads have 64 channels.
    /// </summary>
    public static ClipConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (!Find(shapes, "visual.conv1.weight", 4, out long[] patch) || !Find(shapes, "visual.positional_embedding", 2, out long[] places)
            || !Find(shapes, "text_projection", 2, out long[] projection) || !Find(shapes, "positional_embedding", 2, out long[] context)
            || !Find(shapes, "token_embedding.weight", 2, out long[] vocabulary)) return null;
        int textWidth = (int)context[1];
        return new ClipConfig
        {
            EmbedDim = (int)projection[1],
            ImageResolution = (int)(Math.Round(Math.Sqrt(places[0] - 1)) * patch[2]),
            VisionLayers = Blocks(shapes, "visual.transformer.resblocks."),
            VisionWidth = (int)patch[0],
            VisionPatchSize = (int)patch[2],
            ContextLength = (int)context[0],
            VocabSize = (int)vocabulary[0],
            TransformerWidth = textWidth,
            TransformerHeads = Math.Max(1, textWidth / HeadChannels),
            TransformerLayers = Blocks(shapes, "transformer.resblocks."),
        };
    }

    /// <summary>Checks the values against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        static void Require(bool ok, string message)
        {
            if (!ok) throw new ArgumentException(message);
        }
        Require(EmbedDim is >= 1 and <= 16384, $"embed_dim is 1 to 16384; got {EmbedDim}.");
        Require(VisionPatchSize is >= 1 and <= 1024, $"vision_patch_size is 1 to 1024; got {VisionPatchSize}.");
        Require(ImageResolution is >= 1 and <= 4096 && ImageResolution % VisionPatchSize == 0,
            $"image_resolution is a multiple of vision_patch_size ({VisionPatchSize}) up to 4096; got {ImageResolution}.");
        Require(VisionWidth is >= HeadChannels and <= 16384 && VisionWidth % HeadChannels == 0, $"vision_width is a multiple of {HeadChannels} up to 16384; got {VisionWidth}.");
        Require(VisionLayers is >= 1 and <= 1024, $"vision_layers is 1 to 1024; got {VisionLayers}.");
        Require(ContextLength is >= 2 and <= 65536, $"context_length is 2 to 65536; got {ContextLength}.");
        Require(VocabSize is >= 1 and <= 10_000_000, $"vocab_size is 1 to 10000000; got {VocabSize}.");
        Require(TransformerHeads >= 1 && TransformerWidth is >= 1 and <= 16384 && TransformerWidth % TransformerHeads == 0,
            $"transformer_width, up to 16384, is a multiple of transformer_heads; got {TransformerWidth} and {TransformerHeads}.");
        Require(TransformerLayers is >= 1 and <= 1024, $"transformer_layers is 1 to 1024; got {TransformerLayers}.");
    }

    private static ClipConfig Of(int layers, int width, int patch, int resolution, int textWidth, int embed) => new()
    {
        EmbedDim = embed,
        ImageResolution = resolution,
        VisionLayers = layers,
        VisionWidth = width,
        VisionPatchSize = patch,
        TransformerWidth = textWidth,
        TransformerHeads = textWidth / HeadChannels,
        TransformerLayers = 12,
    };

    private static bool Find(IReadOnlyDictionary<string, long[]> shapes, string key, int rank, out long[] shape)
    {
        bool found = shapes.TryGetValue(key, out long[]? value) && value.Length == rank;
        shape = value ?? [];
        return found;
    }

    /// <summary>Distinct numbers that follow a prefix.</summary>
    private static int Blocks(IReadOnlyDictionary<string, long[]> shapes, string prefix) => shapes.Keys
        .Where(k => k.StartsWith(prefix, StringComparison.Ordinal)).Select(k => k[prefix.Length..].Split('.')[0]).Distinct().Count();
}
