using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>In what the bodies of EDM's networks differ.</summary>
internal sealed record EdmBodyOptions
{
    public required ResBlockOptions Res { get; init; }

    public required AttentionBlockOptions Attention { get; init; }

    /// <summary>Width after the first convolution.</summary>
    public required int FirstWidth { get; init; }

    /// <summary>Heads of an attention over a number of channels; 0 for no attention.</summary>
    public required Func<int, int> Heads { get; init; }

    /// <summary>Whether on the way up only the last block of a level has attention.</summary>
    public bool AttentionInLastBlock { get; init; }

    public SongPath Encoder { get; init; }

    /// <summary>The image's path on the way up; null where the body ends with features.</summary>
    public SongPath? Decoder { get; init; }
}

/// <summary>The way down and up of EDM's networks, under the published names.</summary>
internal sealed class EdmBody
{
    private static readonly ResBlockKeys ResKeys = new("norm0", "conv0", "affine", "norm1", "conv1", "skip");
    private static readonly AttentionKeys AttentionKeys = new("norm2", ["qkv"], "proj");

    private readonly EdmBodyOptions _options;
    private readonly List<Stage> _encoder = [], _decoder = [];
    private readonly List<Block> _attentions = [];

    public EdmBody(EdmConfig config, EdmBodyOptions options)
    {
        _options = options;
        int width = options.FirstWidth, image = config.ImgChannels, last = config.ChannelMult.Length - 1;
        int Size(int level) => config.ImgResolution >> level;
        bool HasAttention(int level) => config.AttnResolutions.Contains(Size(level));
        var skips = new Stack<int>();
        for (int level = 0; level <= last; level++)
        {
            string at = $"enc.{Size(level)}x{Size(level)}_";
            if (level == 0) Encode([new ConvBlock(at + "conv", Conv(at + "conv", config.ImgChannels, width, 3))]);
            else
            {
                Encode(Blocks(at + "down", width, width, attention: false, Resampling.Down));
                if (options.Encoder == SongPath.Skip) _encoder.Add(new AddImage(Conv(at + "aux_skip", image, width, 1), options.Res.Filter));
                if (options.Encoder == SongPath.Residual)
                {
                    _encoder.Add(new AddResidual(Conv(at + "aux_residual", image, width, 3), options.Res.Filter));
                    image = width;
                }
            }
            for (int i = 0; i < config.NumBlocks; i++)
            {
                int to = config.ModelChannels * config.ChannelMult[level];
                Encode(Blocks($"{at}block{i}", width, to, HasAttention(level)));
                width = to;
            }
        }
        for (int level = last; level >= 0; level--)
        {
            string at = $"dec.{Size(level)}x{Size(level)}_";
            if (level == last)
            {
                MiddleAttention = _attentions.Count;
                _decoder.Add(new Plain(Blocks(at + "in0", width, width, attention: true)));
                _decoder.Add(new Plain(Blocks(at + "in1", width, width, attention: false)));
            }
            else _decoder.Add(new Plain(Blocks(at + "up", width, width, attention: false, Resampling.Up)));
            for (int i = 0; i <= config.NumBlocks; i++)
            {
                int to = config.ModelChannels * config.ChannelMult[level];
                bool attention = HasAttention(level) && (!options.AttentionInLastBlock || i == config.NumBlocks);
                _decoder.Add(new Join(Blocks($"{at}block{i}", width + skips.Pop(), to, attention)));
                width = to;
            }
            if (options.Decoder == SongPath.Skip || (options.Decoder is not null && level == 0))
                _decoder.Add(new ToImage(
                    options.Res.Norm.Layer(at + "aux_norm", width),
                    new ConvLayer(at + "aux_conv", width, config.OutChannels, 3) { Init = options.Res.LastInit }, options.Res.Filter));
        }
        Width = width;

        void Encode(Block[] blocks)
        {
            _encoder.Add(new Pushed(blocks));
            skips.Push(blocks[^1].Width);
        }
    }

    /// <summary>Channels of the features at the end.</summary>
    public int Width { get; }

    /// <summary>The attentions, in the order in which they run.</summary>
    public IReadOnlyList<Block> Attentions => _attentions;

    /// <summary>Number of the attention at the lowest resolution, after the way down, among them.</summary>
    public int MiddleAttention { get; }

    /// <summary>Residual blocks under the published names.</summary>
    public static ResBlockOptions ResOptions(EdmConfig config, double epsilon) => new()
    {
        Keys = ResKeys,
        Norm = Norm(epsilon),
        EmbeddingWidth = config.EmbeddingWidth,
        Dropout = config.Dropout,
    };

    /// <summary>Attention under the published names.</summary>
    public static AttentionBlockOptions AttentionOptions(double epsilon) => new() { Keys = AttentionKeys, Norm = Norm(epsilon), Order = QkvOrder.Innermost };

    public static GroupNormOptions Norm(double epsilon) => new(32, epsilon, ChannelsPerGroup: 4);

    public void Declare(Parameters parameters)
    {
        foreach (var stage in _encoder.Concat(_decoder)) stage.Declare(parameters);
    }

    /// <summary>Records the body.</summary>
    /// <returns>The features, and the image where the body makes one.</returns>
    public (Tensor Features, Tensor? Image) Record(BlockContext context, Tensor x)
    {
        var state = new State(context, x);
        foreach (var stage in _encoder) stage.Record(state);
        state.Image = null;
        foreach (var stage in _decoder) stage.Record(state);
        return (state.Features, state.Image);
    }

    private Block[] Blocks(string name, int from, int to, bool attention, Resampling resampling = Resampling.None)
    {
        var block = new ResBlock(name, from, to, _options.Res, resampling);
        if (!attention || _options.Heads(to) is not (> 0 and int heads)) return [block];
        var attends = new AttentionBlock(name, to, heads, _options.Attention);
        _attentions.Add(attends);
        return [block, attends];
    }

    private ConvLayer Conv(string name, int from, int to, int kernel) => new(name, from, to, kernel) { Init = _options.Res.Init };

    /// <summary>Where a recording stands: the features, those kept for the way up, and the image that goes beside them.</summary>
    private sealed class State(BlockContext context, Tensor x)
    {
        public BlockContext Context { get; } = context;

        public PlanBuilder Builder => Context.Builder;

        public Tensor Features { get; set; } = x;

        public Tensor? Image { get; set; } = x;

        public List<Tensor> Skips { get; } = [];
    }

    private abstract class Stage
    {
        public abstract void Declare(Parameters parameters);

        public abstract void Record(State state);
    }

    private class Plain(Block[] blocks) : Stage
    {
        public override void Declare(Parameters parameters)
        {
            foreach (var block in blocks) block.Declare(parameters);
        }

        public override void Record(State state)
        {
            foreach (var block in blocks) state.Features = block.Record(state.Context, state.Features);
        }
    }

    private sealed class Pushed(Block[] blocks) : Plain(blocks)
    {
        public override void Record(State state)
        {
            base.Record(state);
            state.Skips.Add(state.Features);
        }
    }

    private sealed class Join(Block[] blocks) : Plain(blocks)
    {
        public override void Record(State state)
        {
            state.Features = state.Builder.Concat(state.Features, state.Skips[^1]);
            state.Skips.RemoveAt(state.Skips.Count - 1);
            base.Record(state);
        }
    }

    /// <summary>The image at half the size, added to the features.</summary>
    private sealed class AddImage(ConvLayer layer, double[]? filter) : Stage
    {
        public override void Declare(Parameters parameters) => layer.Declare(parameters);

        public override void Record(State state)
        {
            state.Image = Resampling.Down.Record(state.Builder, state.Image!, filter);
            state.Skips[^1] = state.Features = layer.Record(state.Builder, state.Image, residual: state.Features);
        }
    }

    /// <summary>The path beside the features, convolved and then at half the size, is joined with them at equal shares.</summary>
    private sealed class AddResidual(ConvLayer layer, double[]? filter) : Stage
    {
        public override void Declare(Parameters parameters) => layer.Declare(parameters);

        public override void Record(State state)
        {
            var b = state.Builder;
            // What the filter reads beyond the border is convolved too, not zero.
            var small = filter is null
                ? b.AveragePool2x(layer.Record(b, state.Image!))
                : ResamplingRecord.Smaller(b, (layer with { Padding = 1 + (filter.Length - 1) / 2 }).Record(b, state.Image!), filter, padding: 0);
            state.Image = state.Skips[^1] = state.Features = b.Scale(b.Add(state.Features, small), MathF.Sqrt(0.5f));
        }
    }

    /// <summary>The image from the features, added to that of the level below.</summary>
    private sealed class ToImage(GroupNormLayer norm, ConvLayer layer, double[]? filter) : Stage
    {
        public override void Declare(Parameters parameters)
        {
            norm.Declare(parameters);
            layer.Declare(parameters);
        }

        public override void Record(State state)
        {
            var b = state.Builder;
            var below = state.Image is null ? null : Resampling.Up.Record(b, state.Image, filter);
            state.Image = layer.Record(b, state.Features, residual: below, norm: norm.OnTheWayIn(b, silu: true));
        }
    }
}
