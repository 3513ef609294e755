using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// The U-Net of Dhariwal and Nichol (arXiv 2105.05233), under its published parameter names. A recipe: it declares its parameters once and
/// records itself into as many plans as there are batch sizes.
/// </summary>
public sealed partial class UNet : IDiffusionNetwork
{
    private const double NormEpsilon = 1e-5;

    private readonly List<Block[]> _input = [], _output = [];
    private readonly Block[] _middle;
    private readonly int _outWidth;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public UNet(UNetConfig config)
    {
        config.Validate();
        Config = config;
        int width = Width(0), rate = 1;
        var skips = new Stack<int>();
        _input.Add([new InputConv("input_blocks.0.0", config.InChannels, width)]);
        skips.Push(width);
        for (int level = 0; level < config.ChannelMult.Length; level++)
        {
            for (int i = 0; i < config.NumResBlocks; i++)
            {
                string prefix = $"input_blocks.{_input.Count}.";
                var blocks = new List<Block> { new ResBlock(prefix + "0", width, Width(level)) };
                width = Width(level);
                if (config.AttentionResolutions.Contains(rate)) blocks.Add(new AttentionBlock(prefix + "1", width, Heads(width, config.NumHeads)));
                _input.Add([.. blocks]);
                skips.Push(width);
            }
            if (level == config.ChannelMult.Length - 1) break;
            string down = $"input_blocks.{_input.Count}.0";
            _input.Add([config.ResblockUpdown ? new ResBlock(down, width, width, Resample.Down) : new Downsample(down, width)]);
            skips.Push(width);
            rate *= 2;
        }
        _middle =
        [
            new ResBlock("middle_block.0", width, width),
            new AttentionBlock("middle_block.1", width, Heads(width, config.NumHeads)),
            new ResBlock("middle_block.2", width, width),
        ];
        for (int level = config.ChannelMult.Length - 1; level >= 0; level--)
        {
            for (int i = 0; i <= config.NumResBlocks; i++)
            {
                string prefix = $"output_blocks.{_output.Count}.";
                var blocks = new List<Block> { new ResBlock(prefix + "0", width + skips.Pop(), Width(level)) };
                width = Width(level);
                if (config.AttentionResolutions.Contains(rate))
                    blocks.Add(new AttentionBlock(prefix + blocks.Count, width, Heads(width, config.NumHeadsUpsample is > 0 ? config.NumHeadsUpsample.Value : config.NumHeads)));
                if (level > 0 && i == config.NumResBlocks)
                {
                    blocks.Add(config.ResblockUpdown
                        ? new ResBlock(prefix + blocks.Count, width, width, Resample.Up)
                        : new Upsample(prefix + blocks.Count, width));
                    rate /= 2;
                }
                _output.Add([.. blocks]);
            }
        }
        _outWidth = width;
    }

    /// <summary>What it was made from.</summary>
    public UNetConfig Config { get; }

    INetworkConfig IDiffusionNetwork.Config => Config;

    /// <inheritdoc/>
    public void Declare(Parameters parameters)
    {
        int embedding = 4 * Config.ModelChannels;
        DeclareLinear(parameters, "time_embed.0", Config.ModelChannels, embedding);
        DeclareLinear(parameters, "time_embed.2", embedding, embedding);
        if (Config.NumClasses is { } classes) parameters.Add("label_emb.weight", new Shape(classes, embedding), Initializer.Normal());
        foreach (var block in _input.Append(_middle).Concat(_output).SelectMany(b => b)) block.Declare(parameters, Config);
        DeclareNorm(parameters, "out.0", _outWidth);
        DeclareConv(parameters, "out.2", _outWidth, Config.OutChannels, 3, zero: true);
    }

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] != Config.ImageSize || x.Shape[2] != Config.ImageSize || x.Shape[3] != Config.InChannels)
            throw new ArgumentException($"The U-Net takes images [N,{Config.ImageSize},{Config.ImageSize},{Config.InChannels}]; got {x}.");
        if ((labels is null) != (Config.NumClasses is null))
            throw new ArgumentException(labels is null
                ? $"The U-Net has {Config.NumClasses} classes and needs labels."
                : "The U-Net is unconditional and takes no labels.");

        var embedding = b.TimestepEmbedding(timesteps, Config.ModelChannels);
        embedding = RecordLinear(b, "time_embed.2", b.Silu(RecordLinear(b, "time_embed.0", embedding)));
        if (labels is not null) embedding = b.Add(embedding, b.EmbeddingLookup(labels, b.Parameter("label_emb.weight")));
        var context = new BlockContext(b, Config, b.Silu(embedding), dropout);

        var skips = new Stack<Tensor>();
        var h = x;
        foreach (var blocks in _input)
        {
            foreach (var block in blocks) h = block.Record(context, h);
            skips.Push(h);
        }
        foreach (var block in _middle) h = block.Record(context, h);
        foreach (var blocks in _output)
        {
            h = b.Concat(h, skips.Pop());
            foreach (var block in blocks) h = block.Record(context, h);
        }
        b.Scope = "out";
        h = RecordConv(b, "out.2", h, norm: Norm(b, Config, "out.0", silu: true));
        b.Scope = "";
        return h;
    }

    private int Width(int level) => (int)(Config.ChannelMult[level] * Config.ModelChannels);

    private int Heads(int width, int heads)
    {
        int? perHead = Config.NumHeadChannels is > 0 ? Config.NumHeadChannels : null;
        int count = perHead is { } channels ? width / channels : heads;
        return count > 0 && width % count == 0 && (perHead is null || width % perHead == 0)
            ? count
            : throw new ArgumentException(perHead is not null
                ? $"Attention over {width} channels cannot have {perHead} channels per head (num_head_channels)."
                : $"Attention over {width} channels cannot be split into {heads} heads (num_heads).");
    }
}
