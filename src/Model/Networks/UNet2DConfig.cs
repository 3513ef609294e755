using System.Collections.Immutable;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// Constructor arguments of diffusers' <c>UNet2DModel</c>, the U-Net of Ho et al. (arXiv 2006.11239) and its kin, under that library's names.
/// Defaults are that library's.
/// </summary>
public sealed record UNet2DConfig : INetworkConfig
{
    internal const string Down = "DownBlock2D", AttentionDown = "AttnDownBlock2D", Up = "UpBlock2D", AttentionUp = "AttnUpBlock2D";

    /// <summary>CIFAR-10 at 32 pixels: <c>google/ddpm-cifar10-32</c>.</summary>
    public static UNet2DConfig Ddpm32 { get; } = Published(32, [128, 256, 256, 256], attention: 1);

    /// <summary>Faces, churches, bedrooms and cats at 256 pixels: <c>google/ddpm-celebahq-256</c> and its sisters.</summary>
    public static UNet2DConfig Ddpm256 { get; } = Published(256, [128, 128, 256, 256, 512, 512], attention: 4);

    /// <summary>Height and width of the images; divisible by 2 to the number of levels minus one.</summary>
    public int SampleSize { get; init; }

    /// <summary>Channels of the image.</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Channels of the prediction: those of the image, or twice as many when the variance is learned.</summary>
    public int OutChannels { get; init; } = 3;

    /// <summary>Width of each level, a multiple of <see cref="NormNumGroups"/>.</summary>
    public ImmutableArray<int> BlockOutChannels { get; init; } = [224, 448, 672, 896];

    /// <summary>For each level on the way down, <c>DownBlock2D</c> or, with attention, <c>AttnDownBlock2D</c>.</summary>
    public ImmutableArray<string> DownBlockTypes { get; init; } = [Down, AttentionDown, AttentionDown, AttentionDown];

    /// <summary>For each level on the way up, the deepest first, <c>UpBlock2D</c> or, with attention, <c>AttnUpBlock2D</c>.</summary>
    public ImmutableArray<string> UpBlockTypes { get; init; } = [AttentionUp, AttentionUp, AttentionUp, Up];

    /// <summary>Residual blocks per level on the way down; one more on the way up.</summary>
    public int LayersPerBlock { get; init; } = 2;

    /// <summary>Groups of every GroupNorm.</summary>
    public int NormNumGroups { get; init; } = 32;

    /// <summary>Groups of the GroupNorm before the attention in the middle; those of the others when null.</summary>
    public int? AttnNormNumGroups { get; init; }

    /// <summary>Added to the variance in every GroupNorm.</summary>
    public double NormEps { get; init; } = 1e-5;

    /// <summary>Whether the embedding of time has its cosines before its sines.</summary>
    public bool FlipSinToCos { get; init; } = true;

    /// <summary>Taken from the number of frequencies of the embedding of time: with 1 the last of them is 1/10000.</summary>
    public double FreqShift { get; init; }

    /// <summary>Zero pixels around what is halved in size; 0 stands for one pixel on the right and below alone.</summary>
    public int DownsamplePadding { get; init; } = 1;

    /// <summary>Channels of an attention head; null for one head.</summary>
    public int? AttentionHeadDim { get; init; } = 8;

    /// <summary>Divides the sum of branch and residual of the blocks in the middle.</summary>
    public double MidBlockScaleFactor { get; init; } = 1;

    /// <summary>Whether there is attention in the middle.</summary>
    public bool AddAttention { get; init; } = true;

    /// <summary>Whether the network takes 2 x - 1 in place of x.</summary>
    public bool CenterInputSample { get; init; }

    /// <summary><c>default</c>, the embedding is added before the second normalisation, or <c>scale_shift</c> after it.</summary>
    public string ResnetTimeScaleShift { get; init; } = "default";

    /// <summary>Dropout probability before the second convolution of each residual block.</summary>
    public double Dropout { get; init; }

    /// <summary>Rows of the label embedding, the null class included; null for an unconditional network.</summary>
    public int? NumClassEmbeds { get; init; }

    int INetworkConfig.ImageSize => SampleSize;

    int? INetworkConfig.NumClasses => NumClassEmbeds;

    /// <summary>Whether the embedding scales and shifts.</summary>
    internal bool ScalesAndShifts => ResnetTimeScaleShift == "scale_shift";

    /// <summary>
    /// The configuration of a checkpoint from its keys and extents, or null where they are not those of this network. What extents do not tell is taken from
    /// the published network that has the same ones, else it is the library's default; the last level with attention is taken to have 16 x 16 pixels.
    /// </summary>
    /// <param name="shapes">Published extents by key.</param>
    public static UNet2DConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        int Extent(string key, int dimension) => AdmInference.Extent(shapes, key, dimension) ?? 0;
        int first = Extent("conv_in.weight", 0), layers = 0;
        if (first == 0 || Extent("conv_out.weight", 0) == 0) return null;
        while (Extent($"down_blocks.0.resnets.{layers}.conv1.weight", 0) > 0) layers++;
        List<int> widths = [];
        while (Extent($"down_blocks.{widths.Count}.resnets.0.conv1.weight", 0) is > 0 and var width) widths.Add(width);
        int levels = widths.Count;
        bool[] down = [.. Enumerable.Range(0, levels).Select(level => shapes.ContainsKey($"down_blocks.{level}.attentions.0.group_norm.weight"))];
        bool[] up = [.. Enumerable.Range(0, levels).Select(level => shapes.ContainsKey($"up_blocks.{level}.attentions.0.group_norm.weight"))];
        if (levels == 0) return null;
        int deepest = Array.LastIndexOf(down, true);
        var config = new UNet2DConfig
        {
            SampleSize = 16 << Math.Max(deepest, 0),
            InChannels = Extent("conv_in.weight", 1),
            OutChannels = Extent("conv_out.weight", 0),
            BlockOutChannels = [.. widths],
            DownBlockTypes = [.. down.Select(attention => attention ? AttentionDown : Down)],
            UpBlockTypes = [.. up.Select(attention => attention ? AttentionUp : Up)],
            LayersPerBlock = layers,
            AddAttention = shapes.ContainsKey("mid_block.attentions.0.group_norm.weight"),
            ResnetTimeScaleShift = Extent("down_blocks.0.resnets.0.time_emb_proj.weight", 0) == 2 * widths[0] ? "scale_shift" : "default",
            NumClassEmbeds = AdmInference.Extent(shapes, "class_embedding.weight", 0),
            NormNumGroups = widths.All(width => width % 32 == 0) ? 32 : 1,
            AttentionHeadDim = widths.All(width => width % 8 == 0) ? 8 : null,
        };
        return new[] { Ddpm32, Ddpm256 }.FirstOrDefault(config.HasShapesOf) ?? config;
    }

    /// <inheritdoc/>
    public IDiffusionNetwork Create() => new UNet2D(this);

    /// <summary>Checks the values against each other.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        if (Problem is { } problem) throw new ArgumentException(problem);
    }

    /// <summary>Heads of an attention over <paramref name="width"/> channels.</summary>
    internal int Heads(int width) => AttentionHeadDim is { } channels ? width / channels : 1;

    private string? Problem =>
        InChannels is < 1 or > 1024 || OutChannels is < 1 or > 2048 ? $"in_channels is 1 to 1024 and out_channels 1 to 2048; got {InChannels} and {OutChannels}."
        : BlockOutChannels.IsDefaultOrEmpty || BlockOutChannels.Length > 12 ? "block_out_channels has 1 to 12 entries."
        : DownBlockTypes.IsDefault || DownBlockTypes.Length != BlockOutChannels.Length || UpBlockTypes.IsDefault || UpBlockTypes.Length != BlockOutChannels.Length
            ? $"down_block_types and up_block_types have an entry for each of the {BlockOutChannels.Length} block_out_channels."
        : DownBlockTypes.FirstOrDefault(type => type is not (Down or AttentionDown)) is { } down ? $"down_block_types are {Down} and {AttentionDown}; got '{down}'."
        : UpBlockTypes.FirstOrDefault(type => type is not (Up or AttentionUp)) is { } up ? $"up_block_types are {Up} and {AttentionUp}; got '{up}'."
        : SampleSize is < 1 or > 4096 || SampleSize % (1 << (BlockOutChannels.Length - 1)) != 0
            ? $"sample_size is 1 to 4096 and can be halved {BlockOutChannels.Length - 1} times, as {BlockOutChannels.Length} levels need; got {SampleSize}."
        : LayersPerBlock is < 1 or > 64 ? $"layers_per_block is 1 to 64; got {LayersPerBlock}."
        : NormNumGroups is < 1 or > 8192 || AttnNormNumGroups is < 1 or > 8192 ? $"norm_num_groups and attn_norm_num_groups are 1 to 8192; got {NormNumGroups} and {AttnNormNumGroups}."
        : BlockOutChannels.Any(width => width is < 1 or > 16384 || width % NormNumGroups != 0)
            ? $"block_out_channels are multiples of norm_num_groups ({NormNumGroups}) up to 16384; got {string.Join(", ", BlockOutChannels)}."
        : AddAttention && AttnNormNumGroups is { } groups && BlockOutChannels[^1] % groups != 0
            ? $"attn_norm_num_groups ({groups}) divides the last of block_out_channels; got {BlockOutChannels[^1]}."
        : BlockOutChannels[0] % 2 != 0 || !(FreqShift >= 0 && FreqShift < BlockOutChannels[0] / 2)
            ? $"freq_shift is at least 0 and below half the first of block_out_channels, which is even; got {FreqShift} and {BlockOutChannels[0]}."
        : !(NormEps > 0 && NormEps < 1) ? $"norm_eps is above 0 and below 1; got {NormEps}."
        : DownsamplePadding is not (0 or 1) ? $"downsample_padding is 0 or 1; got {DownsamplePadding}."
        : AttentionHeadDim is { } channels && (channels < 1 || Attended.Any(width => width % channels != 0))
            ? $"attention_head_dim divides the widths with attention ({string.Join(", ", Attended)}); got {channels}."
        : !(MidBlockScaleFactor > 0 && MidBlockScaleFactor <= 1e6) ? $"mid_block_scale_factor is above 0 and at most 1000000; got {MidBlockScaleFactor}."
        : ResnetTimeScaleShift is not ("default" or "scale_shift") ? $"resnet_time_scale_shift is default or scale_shift; got '{ResnetTimeScaleShift}'."
        : Dropout is not (>= 0 and < 1) ? $"dropout is at least 0 and below 1; got {Dropout}."
        : NumClassEmbeds is < 1 or > 1_000_000 ? $"num_class_embeds is 1 to 1000000, or absent; got {NumClassEmbeds}."
        : null;

    private IEnumerable<int> Attended
    {
        get
        {
            int last = BlockOutChannels.Length - 1;
            return BlockOutChannels.Where((_, level) => DownBlockTypes[level] == AttentionDown || UpBlockTypes[last - level] == AttentionUp || (level == last && AddAttention)).Distinct();
        }
    }

    private static UNet2DConfig Published(int size, ImmutableArray<int> widths, int attention) => new()
    {
        SampleSize = size,
        BlockOutChannels = widths,
        DownBlockTypes = [.. widths.Select((_, level) => level == attention ? AttentionDown : Down)],
        UpBlockTypes = [.. widths.Select((_, level) => level == widths.Length - 1 - attention ? AttentionUp : Up)],
        NormEps = 1e-6,
        FlipSinToCos = false,
        FreqShift = 1,
        DownsamplePadding = 0,
        AttentionHeadDim = null,
    };

    private bool HasShapesOf(UNet2DConfig known) =>
        (InChannels, OutChannels, LayersPerBlock, AddAttention, ResnetTimeScaleShift, NumClassEmbeds)
            == (known.InChannels, known.OutChannels, known.LayersPerBlock, known.AddAttention, known.ResnetTimeScaleShift, known.NumClassEmbeds)
        && BlockOutChannels.SequenceEqual(known.BlockOutChannels) && DownBlockTypes.SequenceEqual(known.DownBlockTypes) && UpBlockTypes.SequenceEqual(known.UpBlockTypes);
}
