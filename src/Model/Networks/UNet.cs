using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// The U-Net of Dhariwal and Nichol (arXiv 2105.05233), under its published parameter names. A recipe: it declares its parameters once and
/// records itself into as many plans as there are batch sizes.
/// </summary>
public sealed class UNet : IPerturbableNetwork
{
    private readonly AdmEncoder _encoder;
    private readonly List<Block[]> _output = [];
    private readonly GroupNormLayer _outNorm;
    private readonly ConvLayer _outConv;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public UNet(UNetConfig config)
    {
        Config = config;
        _encoder = new AdmEncoder(config);
        int width = _encoder.Width;
        var skips = new Stack<int>(_encoder.Widths);
        for (int level = config.ChannelMult.Length - 1; level >= 0; level--)
        {
            for (int i = 0; i <= config.NumResBlocks; i++)
            {
                string prefix = $"output_blocks.{_output.Count}.";
                var blocks = new List<Block> { _encoder.Res(prefix + "0", width + skips.Pop(), config.Width(level)) };
                width = config.Width(level);
                if (_encoder.HasAttention(level)) blocks.Add(_encoder.Attention(prefix + blocks.Count, width, upwards: true));
                if (level > 0 && i == config.NumResBlocks) blocks.Add(_encoder.Resample(prefix + blocks.Count, width, Resampling.Up));
                _output.Add([.. blocks]);
            }
        }
        _outNorm = _encoder.Norm.Layer("out.0", width);
        _outConv = new ConvLayer("out.2", width, config.OutChannels, 3) { Init = LayerInit.Zero };
    }

    /// <summary>What it was made from.</summary>
    public UNetConfig Config { get; }

    INetworkConfig IDiffusionNetwork.Config => Config;

    /// <inheritdoc/>
    public void Declare(Parameters parameters)
    {
        _encoder.DeclareTime(parameters);
        if (Config.NumClasses is { } classes) parameters.Add("label_emb.weight", new Shape(classes, _encoder.EmbeddingWidth), Initializer.Normal());
        _encoder.DeclareBlocks(parameters);
        foreach (var block in _output.SelectMany(blocks => blocks)) block.Declare(parameters);
        _outNorm.Declare(parameters);
        _outConv.Declare(parameters);
    }

    /// <inheritdoc/>
    public int PerturbableBlocks => _encoder.Attentions.Count;

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null) =>
        Record(b, x, timesteps, labels, dropout, null);

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, Perturbation? perturbation) =>
        Record(b, x, timesteps, labels, null, perturbation);

    private Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout, Perturbation? perturbation)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] != Config.ImageSize || x.Shape[2] != Config.ImageSize || x.Shape[3] != Config.InChannels)
            throw new ArgumentException($"The U-Net takes images [N,{Config.ImageSize},{Config.ImageSize},{Config.InChannels}]; got {x}.");
        if ((labels is null) != (Config.NumClasses is null))
            throw new ArgumentException(labels is null
                ? $"The U-Net has {Config.NumClasses} classes and needs labels."
                : "The U-Net is unconditional and takes no labels.");

        var embedding = _encoder.RecordTime(b, timesteps);
        if (labels is not null) embedding = b.Add(embedding, b.EmbeddingLookup(labels, b.Parameter("label_emb.weight")));
        var perturbed = BlockPerturbation.Of(perturbation, _encoder.Attentions, _encoder.MiddleAttention, x.Shape.Batch, transformer: false);
        var context = new BlockContext(b, b.Silu(embedding), dropout, perturbed);

        var skips = new List<Tensor>();
        var h = _encoder.RecordBlocks(context, x, skips);
        foreach (var blocks in _output)
        {
            h = b.Concat(h, skips[^1]);
            skips.RemoveAt(skips.Count - 1);
            foreach (var block in blocks) h = block.Record(context, h);
        }
        b.Scope = "out";
        h = _outConv.Record(b, h, norm: _outNorm.OnTheWayIn(b, silu: true));
        b.Scope = "";
        return h;
    }
}
