namespace NativeDiffusion.Model.Networks;

/// <summary>Reads the arguments of EDM's networks off the names and extents of a checkpoint.</summary>
internal static class EdmInference
{
    private const int MostLevels = 12, MostBlocks = 64;

    /// <summary>An extent, or null where there is no such tensor or dimension.</summary>
    public static int? Extent(IReadOnlyDictionary<string, long[]> shapes, string key, int dimension) => AdmInference.Extent(shapes, key, dimension);

    /// <summary>Height of the images, which the first convolution is named after.</summary>
    public static int? Resolution(IReadOnlyDictionary<string, long[]> shapes)
    {
        for (int size = 1; size <= 4096; size++)
            if (shapes.ContainsKey($"enc.{size}x{size}_conv.weight"))
                return size;
        return null;
    }

    /// <summary>What both networks have in common, filled in; null where the keys are not those of an EDM network.</summary>
    /// <param name="shapes">Published extents by key, without a prefix.</param>
    /// <param name="known">The arguments that only one of the networks has, and its model channels.</param>
    public static EdmConfig? Infer(IReadOnlyDictionary<string, long[]> shapes, EdmConfig known)
    {
        if (Resolution(shapes) is not { } size || known.ModelChannels < 1 || Extent(shapes, "map_layer0.weight", 0) is not { } embedding) return null;
        string Block(int level, int block) => $"enc.{size >> level}x{size >> level}_block{block}";
        int[] widths = [.. Enumerable.Range(0, MostLevels).Select(level => Extent(shapes, Block(level, 0) + ".conv0.weight", 0) ?? 0).TakeWhile(width => width > 0)];
        if (widths.Length == 0) return null;
        return known with
        {
            ImgResolution = size,
            ImgChannels = Extent(shapes, $"enc.{size}x{size}_conv.weight", 1) ?? 0,
            LabelDim = Extent(shapes, "map_label.weight", 1) ?? 0,
            AugmentDim = Extent(shapes, "map_augment.weight", 1) ?? 0,
            ChannelMult = [.. widths.Select(width => width / known.ModelChannels)],
            ChannelMultEmb = embedding / known.ModelChannels,
            NumBlocks = Enumerable.Range(0, MostBlocks).TakeWhile(block => shapes.ContainsKey(Block(0, block) + ".conv0.weight")).Count(),
            AttnResolutions = [.. Enumerable.Range(0, widths.Length).Where(level => shapes.ContainsKey(Block(level, 0) + ".qkv.weight")).Select(level => size >> level)],
        };
    }
}
