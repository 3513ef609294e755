namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Constructor arguments of the diffusion transformer of Peebles and Xie (arXiv 2212.09748; <c>DiT</c> of facebookresearch/DiT), under their
/// published meaning. Defaults are those of the published code.
/// </summary>
public sealed record DitConfig : INetworkConfig
{
    private const string BlockPrefix = "blocks.";

    /// <summary>Height and width of the latents: an eighth of the images'.</summary>
    public int InputSize { get; init; } = 32;

    /// <summary>Height and width of a patch; divides <see cref="InputSize"/>.</summary>
    public int PatchSize { get; init; } = 2;

    /// <summary>Channels of the latents.</summary>
    public int InChannels { get; init; } = 4;

    /// <summary>Channels of a token; a multiple of 4 and of <see cref="NumHeads"/>.</summary>
    public int HiddenSize { get; init; } = 1152;

    /// <summary>Number of transformer blocks.</summary>
    public int Depth { get; init; } = 28;

    /// <summary>Attention heads.</summary>
    public int NumHeads { get; init; } = 16;

    /// <summary>Width of the perceptrons' hidden layers as a multiple of <see cref="HiddenSize"/>.</summary>
    public double MlpRatio { get; init; } = 4;

    /// <summary>Probability with which training drops a label; where it is above 0 the network has a null class.</summary>
    public double ClassDropoutProb { get; init; } = 0.1;

    /// <summary>Classes, the null class not included.</summary>
    public int NumClasses { get; init; } = 1000;

    /// <summary>Whether the network also predicts the variance.</summary>
    public bool LearnSigma { get; init; } = true;

    /// <summary>Taken from the number of frequencies of the embedding of time, which is 0 in the published code; null for that, 1 in diffusers.</summary>
    public double? FreqShift { get; init; }

    /// <summary>Added to the variance in the second normalisation of each block; null for 1e-6, as in the published code.</summary>
    public double? MlpNormEps { get; init; }

    int INetworkConfig.ImageSize => InputSize;

    int INetworkConfig.OutChannels => OutChannels;

    int? INetworkConfig.NumClasses => Labels;

    /// <summary>Channels of the prediction.</summary>
    internal int OutChannels => LearnSigma ? 2 * InChannels : InChannels;

    /// <summary>Rows of the label embedding: the classes, and the null class where there is one.</summary>
    internal int Labels => NumClasses + (ClassDropoutProb > 0 ? 1 : 0);

    /// <summary>Patches along an edge.</summary>
    internal int Grid => InputSize / PatchSize;

    /// <summary>Channels of a hidden layer.</summary>
    internal int HiddenWidth => (int)(HiddenSize * MlpRatio + 1e-6);

    /// <summary>A published size, S, B, L or XL, with patches of 2, 4 or 8.</summary>
    /// <param name="name">For example <c>DiT-XL/2</c>.</param>
    /// <param name="inputSize">Height and width of the latents: 32 for images of 256, 64 for 512.</param>
    /// <exception cref="ArgumentException">No such size.</exception>
    public static DitConfig Preset(string name, int inputSize = 32)
    {
        string[] parts = name.Split('-', '/');
        var (depth, hidden, heads) = (parts.Length == 3 && parts[0] == "DiT" && parts[2] is "2" or "4" or "8" ? parts[1] : "") switch
        {
            "S" => (12, 384, 6),
            "B" => (12, 768, 12),
            "L" => (24, 1024, 16),
            "XL" => (28, 1152, 16),
            _ => throw new ArgumentException($"The published sizes are DiT-S, DiT-B, DiT-L and DiT-XL with patches of 2, 4 or 8 (DiT-XL/2, for example); got '{name}'."),
        };
        return new DitConfig { InputSize = inputSize, PatchSize = parts[2][0] - '0', Depth = depth, HiddenSize = hidden, NumHeads = heads };
    }

    /// <summary>
    /// The configuration of a checkpoint, from its keys and their published extents; null where it is not of this family. Shapes do not tell the
    /// heads: the published sizes have theirs, others are taken to have 64 channels a head; nor whether the last label is the null class, as it is taken to be.
    /// </summary>
    public static DitConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (!shapes.TryGetValue("x_embedder.proj.weight", out long[]? patch) || patch.Length != 4
            || !shapes.TryGetValue("pos_embed", out long[]? positions) || positions.Length != 3
            || !shapes.TryGetValue("y_embedder.embedding_table.weight", out long[]? labels) || labels.Length != 2
            || !shapes.TryGetValue("blocks.0.mlp.fc1.weight", out long[]? hidden) || hidden.Length != 2
            || !shapes.TryGetValue("final_layer.linear.weight", out long[]? last) || last.Length != 2) return null;
        int width = (int)patch[0], size = (int)patch[2];
        var config = new DitConfig
        {
            InputSize = (int)Math.Round(Math.Sqrt(positions[1])) * size,
            PatchSize = size,
            InChannels = (int)patch[1],
            HiddenSize = width,
            Depth = 1 + shapes.Keys.Max(BlockIndex),
            NumHeads = width == 1152 ? 16 : Math.Max(1, width / 64),
            MlpRatio = (double)hidden[0] / width,
            NumClasses = (int)labels[0] - 1,
            LearnSigma = last[0] == 2 * size * size * patch[1],
        };
        return config;
    }

    /// <inheritdoc/>
    public IDiffusionNetwork Create() => new Dit(this);

    /// <summary>Checks the values against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        static void Require(bool ok, string message)
        {
            if (!ok) throw new ArgumentException(message);
        }
        Require(PatchSize is >= 1 and <= 64, $"patch_size is 1 to 64; got {PatchSize}.");
        Require(InputSize is >= 1 and <= 4096 && InputSize % PatchSize == 0, $"input_size is a multiple of patch_size ({PatchSize}) up to 4096; got {InputSize}.");
        Require(InChannels is >= 1 and <= 1024, $"in_channels is 1 to 1024; got {InChannels}.");
        Require(HiddenSize is >= 4 and <= 16384 && HiddenSize % 4 == 0, $"hidden_size is a multiple of 4 up to 16384, for the embedding of positions; got {HiddenSize}.");
        Require(NumHeads >= 1 && HiddenSize % NumHeads == 0, $"num_heads divides hidden_size ({HiddenSize}); got {NumHeads}.");
        Require(Depth is >= 1 and <= 1024, $"depth is 1 to 1024; got {Depth}.");
        Require(MlpRatio > 0 && MlpRatio <= 64 && HiddenWidth >= 1, $"mlp_ratio is above 0 and at most 64; got {MlpRatio}.");
        Require(FreqShift is null or >= 0 and < 128, $"freq_shift is at least 0 and below 128, the number of frequencies; got {FreqShift}.");
        Require(MlpNormEps is null or > 0 and < 1, $"mlp_norm_eps is above 0 and below 1; got {MlpNormEps}.");
        Require(ClassDropoutProb is >= 0 and <= 1, $"class_dropout_prob is 0 to 1; got {ClassDropoutProb}.");
        Require(NumClasses is >= 1 and <= 1_000_000, $"num_classes is 1 to 1000000; got {NumClasses}.");
    }

    /// <summary>Number of the block that a key belongs to; -1 for other keys.</summary>
    private static int BlockIndex(string key)
    {
        if (!key.StartsWith(BlockPrefix, StringComparison.Ordinal)) return -1;
        int end = key.IndexOf('.', BlockPrefix.Length);
        return end > 0 && int.TryParse(key.AsSpan(BlockPrefix.Length, end - BlockPrefix.Length), out int index) ? index : -1;
    }
}
