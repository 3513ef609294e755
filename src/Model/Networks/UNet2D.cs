using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// diffusers' <c>UNet2DModel</c> under its parameter names: the U-Net of Ho et al. (arXiv 2006.11239), whose levels have attention each on its own.
/// A recipe: it declares its parameters once and records itself into as many plans as there are batch sizes.
/// </summary>
public sealed class UNet2D : IPerturbableNetwork
{
    private const double MaxPeriod = 10000;
    private const string Labels = "class_embedding.weight";
    private static readonly ResBlockKeys ResKeys = new("norm1", "conv1", "time_emb_proj", "norm2", "conv2", "conv_shortcut");
    private static readonly AttentionKeys AttentionKeys = new("group_norm", ["to_q", "to_k", "to_v"], "to_out.0");

    private readonly LinearLayer _time1, _time2;
    private readonly ConvLayer _in, _out;
    private readonly List<Block[]> _down = [], _up = [];
    private readonly List<Block> _middle = [], _attentions = [];
    private readonly int _middleAttention;
    private readonly GroupNormLayer _outNorm;
    private readonly ResBlockOptions _res;
    private readonly AttentionBlockOptions _attention;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public UNet2D(UNet2DConfig config)
    {
        config.Validate();
        Config = config;
        var norm = new GroupNormOptions(config.NormNumGroups, config.NormEps);
        _res = new ResBlockOptions { Keys = ResKeys, Norm = norm, EmbeddingWidth = EmbeddingWidth, ScaleShift = config.ScalesAndShifts, Dropout = config.Dropout };
        _attention = new AttentionBlockOptions { Keys = AttentionKeys, Norm = norm, PublishedRank = 2 };
        int width = config.BlockOutChannels[0], levels = config.BlockOutChannels.Length;
        _time1 = new LinearLayer("time_embedding.linear_1", width, EmbeddingWidth);
        _time2 = new LinearLayer("time_embedding.linear_2", EmbeddingWidth, EmbeddingWidth);
        _in = new ConvLayer("conv_in", config.InChannels, width, 3);

        Stack<int> skips = new([width]);
        for (int level = 0; level < levels; level++)
        {
            bool attends = config.DownBlockTypes[level] == UNet2DConfig.AttentionDown;
            for (int i = 0; i < config.LayersPerBlock; i++)
            {
                _down.Add(Layer($"down_blocks.{level}", i, width, config.BlockOutChannels[level], attends));
                skips.Push(width = config.BlockOutChannels[level]);
            }
            if (level == levels - 1) continue;
            string name = $"down_blocks.{level}.downsamplers.0.conv";
            _down.Add([new ConvBlock(name, new ConvLayer(name, width, width, 3) { Stride = 2, Padding = config.DownsamplePadding, EndPadding = 1 })]);
            skips.Push(width);
        }

        float share = (float)(1 / config.MidBlockScaleFactor);
        var res = _res with { ResidualScale = share };
        _middleAttention = _attentions.Count;
        _middle.Add(new ResBlock("mid_block.resnets.0", width, width, res));
        if (config.AddAttention)
        {
            var middle = _attention with { ResidualScale = share, Norm = norm with { Groups = config.AttnNormNumGroups ?? config.NormNumGroups } };
            _middle.Add(Attention("mid_block.attentions.0", width, middle));
        }
        _middle.Add(new ResBlock("mid_block.resnets.1", width, width, res));

        for (int i = 0; i < levels; i++)
        {
            int to = config.BlockOutChannels[levels - 1 - i];
            for (int layer = 0; layer <= config.LayersPerBlock; layer++)
            {
                _up.Add(Layer($"up_blocks.{i}", layer, width + skips.Pop(), to, config.UpBlockTypes[i] == UNet2DConfig.AttentionUp));
                width = to;
            }
            string name = $"up_blocks.{i}.upsamplers.0.conv";
            if (i < levels - 1) _up[^1] = [.. _up[^1], new ConvBlock(name, new ConvLayer(name, width, width, 3), Resampling.Up)];
        }
        _outNorm = norm.Layer("conv_norm_out", width);
        _out = new ConvLayer("conv_out", width, config.OutChannels, 3) { Init = LayerInit.Zero };
    }

    /// <summary>What it was made from.</summary>
    public UNet2DConfig Config { get; }

    INetworkConfig IDiffusionNetwork.Config => Config;

    /// <inheritdoc/>
    public int PerturbableBlocks => _attentions.Count;

    private int EmbeddingWidth => 4 * Config.BlockOutChannels[0];

    /// <inheritdoc/>
    public void Declare(Parameters parameters)
    {
        _in.Declare(parameters);
        _time1.Declare(parameters);
        _time2.Declare(parameters);
        if (Config.NumClassEmbeds is { } classes) parameters.Add(Labels, new Shape(classes, EmbeddingWidth), Initializer.Normal());
        foreach (var block in _down.Append([.. _middle]).Concat(_up).SelectMany(blocks => blocks)) block.Declare(parameters);
        _outNorm.Declare(parameters);
        _out.Declare(parameters);
    }

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null) =>
        Record(b, x, timesteps, labels, dropout, null);

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, Perturbation? perturbation) =>
        Record(b, x, timesteps, labels, null, perturbation);

    private Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout, Perturbation? perturbation)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] != Config.SampleSize || x.Shape[2] != Config.SampleSize || x.Shape[3] != Config.InChannels)
            throw new ArgumentException($"This U-Net takes images [N,{Config.SampleSize},{Config.SampleSize},{Config.InChannels}]; got {x}.");
        if ((labels is null) != (Config.NumClassEmbeds is null))
            throw new ArgumentException(labels is null ? $"This U-Net has {Config.NumClassEmbeds} classes and needs labels." : "This U-Net is unconditional and takes no labels.");

        var embedding = _time2.Record(b, b.Silu(_time1.Record(b, RecordTimes(b, timesteps))));
        if (labels is not null) embedding = b.Add(embedding, b.EmbeddingLookup(labels, b.Parameter(Labels)));
        var perturbed = BlockPerturbation.Of(perturbation, _attentions, _middleAttention, x.Shape.Batch, transformer: false);
        var context = new BlockContext(b, b.Silu(embedding), dropout, perturbed);

        if (Config.CenterInputSample) x = b.AddShared(b.Scale(x, 2), b.Constant("centre", [.. Enumerable.Repeat(-1f, (int)x.Shape.RowCount)]));
        var h = _in.Record(b, x);
        Stack<Tensor> skips = new([h]);
        foreach (var blocks in _down)
        {
            h = RecordAll(context, blocks, h);
            skips.Push(h);
        }
        h = RecordAll(context, _middle, h);
        foreach (var blocks in _up) h = RecordAll(context, blocks, b.Concat(h, skips.Pop()));
        b.Scope = "conv_out";
        h = _out.Record(b, h, norm: _outNorm.OnTheWayIn(b, silu: true));
        b.Scope = "";
        return h;
    }

    private static Tensor RecordAll(BlockContext context, IEnumerable<Block> blocks, Tensor h) => blocks.Aggregate(h, (x, block) => block.Record(context, x));

    // The op has its cosines first, and as many frequencies in a period as there are.
    private Tensor RecordTimes(PlanBuilder b, Tensor timesteps)
    {
        int width = Config.BlockOutChannels[0], half = width / 2;
        var times = b.TimestepEmbedding(timesteps, width, Math.Pow(MaxPeriod, half / (half - Config.FreqShift)));
        return Config.FlipSinToCos ? times : b.Concat(b.Slice(times, half, half), b.Slice(times, 0, half));
    }

    private Block[] Layer(string level, int index, int from, int to, bool attends)
    {
        var block = new ResBlock($"{level}.resnets.{index}", from, to, _res);
        return attends ? [block, Attention($"{level}.attentions.{index}", to, _attention)] : [block];
    }

    private AttentionBlock Attention(string name, int width, AttentionBlockOptions options)
    {
        var block = new AttentionBlock(name, width, Config.Heads(width), options);
        _attentions.Add(block);
        return block;
    }
}
