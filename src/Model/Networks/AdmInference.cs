namespace NativeDiffusion.Model.Networks;

/// <summary>Reads the arguments of the U-Net and of the noisy classifier off the names and extents of a checkpoint.</summary>
internal sealed class AdmInference
{
    private const int MostBlocksPerLevel = 64, MostBlocks = 1024;
    private readonly IReadOnlyDictionary<string, long[]> _shapes;
    private readonly int _inputs, _outputs;

    private AdmInference(IReadOnlyDictionary<string, long[]> shapes)
    {
        _shapes = shapes;
        (_inputs, _outputs) = (Count("input_blocks."), Count("output_blocks."));
    }

    /// <summary>
    /// A configuration of those extents, or null where the keys are not of this family. They do not tell the number of heads, the order of qkv
    /// and the image size: heads have 64 channels where residual blocks resample, as in the published networks, and there are 4 elsewhere, as
    /// by the training scripts' flags (1 where that is not possible); the order is the legacy one; the last level with attention has 8 x 8 pixels.
    /// </summary>
    /// <param name="shapes">Published extents by key.</param>
    /// <param name="blank">Receives what both families have in common; its other properties stay.</param>
    public static AdmConfig? Infer(IReadOnlyDictionary<string, long[]> shapes, AdmConfig blank)
    {
        var found = new AdmInference(shapes);
        if (found._inputs < 2 || Extent(shapes, "time_embed.0.weight", 1) is not { } modelChannels || Extent(shapes, "input_blocks.0.0.weight", 1) is not { } channels)
            return null;
        int blocks = Enumerable.Range(1, MostBlocksPerLevel).FirstOrDefault(found.Fits);
        if (blocks == 0) return null;
        int period = blocks + 1, levels = found._inputs / period;
        int[] firsts = [.. Enumerable.Range(0, levels).Select(level => 1 + level * period)], widths = [.. firsts.Select(found.Width)];
        int[] attention = [.. Enumerable.Range(0, levels).Where(level => found.HasAttention(firsts[level])).Select(level => 1 << level)];
        int[] attended = [.. widths.Where((_, level) => level == levels - 1 || attention.Contains(1 << level))];
        bool residual = levels > 1 && found.IsResidual(period), wideHeads = residual && attended.All(width => width % 64 == 0);
        return blank with
        {
            ImageSize = 8 * (attention.Length > 0 ? attention[^1] : 1 << (levels - 1)),
            InChannels = channels,
            ModelChannels = modelChannels,
            NumResBlocks = blocks,
            ChannelMult = [.. widths.Select(width => width / (double)modelChannels)],
            AttentionResolutions = [.. attention],
            NumHeadChannels = wideHeads ? 64 : null,
            NumHeads = !wideHeads && attended.All(width => width % 4 == 0) ? 4 : 1,
            UseScaleShiftNorm = Extent(shapes, "middle_block.0.emb_layers.1.weight", 0) == 2 * widths[^1],
            ResblockUpdown = residual,
            ConvResample = levels == 1 || residual || found.IsConvolution(period),
        };
    }

    /// <summary>An extent, or null where there is no such tensor or dimension.</summary>
    public static int? Extent(IReadOnlyDictionary<string, long[]> shapes, string key, int dimension) =>
        shapes.TryGetValue(key, out long[]? shape) && dimension < shape.Length && shape[dimension] is > 0 and < int.MaxValue ? (int)shape[dimension] : null;

    // Blocks of a level keep its width and all have attention, or none; what resamples has neither attention nor another width.
    private bool Fits(int blocks)
    {
        int period = blocks + 1;
        if (_inputs % period != 0 || (_outputs != 0 && _outputs != _inputs)) return false;
        for (int i = 1; i < _inputs; i++)
        {
            bool down = i % period == 0, first = i % period == 1;
            if (down ? HasAttention(i) : !IsResidual(i) || IsConvolution(i)) return false;
            if (!first && IsResidual(i) && (Width(i) != Width(i - 1) || (!down && HasAttention(i) != HasAttention(i - 1)))) return false;
        }
        bool learnsResampling = period < _inputs && (IsResidual(period) || IsConvolution(period));
        for (int i = 0; i < _outputs; i++)
        {
            bool up = HasOutput(i, "1.in_layers.0") || HasOutput(i, "2.in_layers.0") || HasOutput(i, "1.conv") || HasOutput(i, "2.conv");
            if (up != (learnsResampling && i % period == blocks && i < _outputs - 1)) return false;
        }
        return true;
    }

    private bool IsResidual(int input) => HasInput(input, "0.in_layers.2");

    private bool IsConvolution(int input) => HasInput(input, "0.op");

    private bool HasAttention(int input) => HasInput(input, "1.qkv");

    private bool HasInput(int block, string layer) => _shapes.ContainsKey($"input_blocks.{block}.{layer}.weight");

    private bool HasOutput(int block, string layer) => _shapes.ContainsKey($"output_blocks.{block}.{layer}.weight");

    private int Width(int input)
    {
        string block = $"input_blocks.{input}.0.";
        return Extent(_shapes, block + "in_layers.2.weight", 0) ?? Extent(_shapes, block + "op.weight", 0) ?? Extent(_shapes, block + "weight", 0)
            ?? (input > 0 ? Width(input - 1) : 0);
    }

    private int Count(string prefix)
    {
        int count = 0;
        foreach (string key in _shapes.Keys)
        {
            if (!key.StartsWith(prefix, StringComparison.Ordinal)) continue;
            int end = key.IndexOf('.', prefix.Length);
            if (end < 0 || !int.TryParse(key.AsSpan(prefix.Length, end - prefix.Length), out int index) || index is < 0 or >= MostBlocks) return 0;
            count = Math.Max(count, index + 1);
        }
        return count;
    }
}
