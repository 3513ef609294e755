using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>What the U-Net and the noisy classifier share: time embedding, the way down and the middle, under their published names.</summary>
internal sealed class AdmEncoder
{
    private const double NormEpsilon = 1e-5;
    private static readonly ResBlockKeys Keys = new("in_layers.0", "in_layers.2", "emb_layers.1", "out_layers.0", "out_layers.3", "skip_connection");

    private readonly LinearLayer _time1, _time2;
    private readonly List<Block[]> _input = [];
    private readonly List<Block> _attentions = [];
    private readonly Block[] _middle;
    private readonly AttentionBlockOptions _attention;
    private readonly ResBlockOptions _res;

    public AdmEncoder(AdmConfig config)
    {
        config.Validate();
        Config = config;
        Norm = new GroupNormOptions(config.NormGroups, NormEpsilon);
        _res = new ResBlockOptions
        {
            Keys = Keys,
            Norm = Norm,
            EmbeddingWidth = EmbeddingWidth,
            ScaleShift = config.UseScaleShiftNorm,
            Dropout = config.Dropout,
        };
        _attention = new AttentionBlockOptions
        {
            Keys = new AttentionKeys("norm", ["qkv"], "proj_out"),
            Norm = Norm,
            Order = config.UseNewAttentionOrder ? QkvOrder.Split : QkvOrder.PerHead,
            PublishedRank = 3,
        };
        _time1 = new LinearLayer("time_embed.0", config.ModelChannels, EmbeddingWidth);
        _time2 = new LinearLayer("time_embed.2", EmbeddingWidth, EmbeddingWidth);

        int width = config.Width(0);
        _input.Add([new ConvBlock("input_blocks.0.0", new ConvLayer("input_blocks.0.0", config.InChannels, width, 3))]);
        for (int level = 0; level < config.ChannelMult.Length; level++)
        {
            for (int i = 0; i < config.NumResBlocks; i++)
            {
                string prefix = $"input_blocks.{_input.Count}.";
                var blocks = new List<Block> { Res(prefix + "0", width, config.Width(level)) };
                width = config.Width(level);
                if (HasAttention(level)) blocks.Add(Attention(prefix + "1", width));
                _input.Add([.. blocks]);
            }
            if (level < config.ChannelMult.Length - 1) _input.Add([Resample($"input_blocks.{_input.Count}.0", width, Resampling.Down)]);
        }
        MiddleAttention = _attentions.Count;
        _middle = [Res("middle_block.0", width, width), Attention("middle_block.1", width), Res("middle_block.2", width, width)];
    }

    public AdmConfig Config { get; }

    public int EmbeddingWidth => 4 * Config.ModelChannels;

    public GroupNormOptions Norm { get; }

    /// <summary>Channels of the input blocks' results, first to last.</summary>
    public IEnumerable<int> Widths => _input.Select(blocks => blocks[^1].Width);

    /// <summary>Channels of the middle.</summary>
    public int Width => _middle[^1].Width;

    public Block Res(string name, int from, int to) => new ResBlock(name, from, to, _res);

    /// <summary>The attentions made so far; a network makes them in the order in which it runs them.</summary>
    public IReadOnlyList<Block> Attentions => _attentions;

    /// <summary>Number of the middle's attention among them.</summary>
    public int MiddleAttention { get; }

    public Block Attention(string name, int width, bool upwards = false)
    {
        var block = new AttentionBlock(name, width, Config.Heads(width, upwards), _attention);
        _attentions.Add(block);
        return block;
    }

    public Block Resample(string name, int width, Resampling resampling)
    {
        if (Config.ResblockUpdown) return new ResBlock(name, width, width, _res, resampling);
        if (!Config.ConvResample) return new ResampleBlock(name, width, resampling);
        return resampling == Resampling.Down
            ? new ConvBlock(name, new ConvLayer(name + ".op", width, width, 3) { Stride = 2 })
            : new ConvBlock(name, new ConvLayer(name + ".conv", width, width, 3), Resampling.Up);
    }

    public bool HasAttention(int level) => Config.AttentionResolutions.Contains(1 << level);

    public void DeclareTime(Parameters parameters)
    {
        _time1.Declare(parameters);
        _time2.Declare(parameters);
    }

    public void DeclareBlocks(Parameters parameters)
    {
        foreach (var block in _input.Append(_middle).SelectMany(blocks => blocks)) block.Declare(parameters);
    }

    /// <summary>Times [N] to their embedding [N, EmbeddingWidth].</summary>
    public Tensor RecordTime(PlanBuilder b, Tensor timesteps) =>
        _time2.Record(b, b.Silu(_time1.Record(b, b.TimestepEmbedding(timesteps, Config.ModelChannels))));

    /// <summary>Records the blocks; <paramref name="results"/> receives the result of each input block, first to last.</summary>
    /// <exception cref="ArgumentException">The images do not fit the configuration.</exception>
    public Tensor RecordBlocks(BlockContext context, Tensor x, ICollection<Tensor> results)
    {
        foreach (var blocks in _input)
        {
            foreach (var block in blocks) x = block.Record(context, x);
            results.Add(x);
        }
        foreach (var block in _middle) x = block.Record(context, x);
        return x;
    }
}
