using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>EDM's form of the network of Dhariwal and Nichol (<c>DhariwalUNet</c>).</summary>
public sealed class DhariwalUNet : EdmUNet
{
    private const double Epsilon = 1e-5;
    private const int ChannelsPerHead = 64;

    private readonly LinearLayer? _mapAugment, _mapLabel;
    private readonly LinearLayer _map0, _map1;
    private readonly GroupNormLayer _outNorm;
    private readonly ConvLayer _outConv;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public DhariwalUNet(DhariwalUNetConfig config)
        : base(config)
    {
        int width = config.ModelChannels, embedding = config.EmbeddingWidth;
        if (config.AugmentDim > 0) _mapAugment = new LinearLayer("map_augment", config.AugmentDim, width) { Bias = false, Init = LayerInit.Zero };
        _map0 = new LinearLayer("map_layer0", width, embedding);
        _map1 = new LinearLayer("map_layer1", embedding, embedding);
        if (config.LabelDim > 0) _mapLabel = new LinearLayer("map_label", config.LabelDim, embedding) { Bias = false, Init = LayerInit.Normal(1) };
        Body = new EdmBody(config, new EdmBodyOptions
        {
            Res = EdmBody.ResOptions(config, Epsilon) with { ScaleShift = true },
            Attention = EdmBody.AttentionOptions(Epsilon),
            FirstWidth = width * config.ChannelMult[0],
            Heads = channels => channels / ChannelsPerHead,
        });
        _outNorm = EdmBody.Norm(Epsilon).Layer("out_norm", Body.Width);
        _outConv = new ConvLayer("out_conv", Body.Width, config.OutChannels, 3) { Init = LayerInit.Zero };
    }

    private protected override EdmBody Body { get; }

    /// <inheritdoc/>
    public override void Declare(Parameters parameters)
    {
        _mapAugment?.Declare(parameters);
        _map0.Declare(parameters);
        _map1.Declare(parameters);
        _mapLabel?.Declare(parameters);
        Body.Declare(parameters);
        _outNorm.Declare(parameters);
        _outConv.Declare(parameters);
    }

    private protected override Tensor RecordEmbedding(PlanBuilder b, Tensor noise, Tensor? classes, Tensor? augmentation)
    {
        var embedding = b.TimestepEmbedding(noise, Config.ModelChannels);
        if (augmentation is not null) embedding = b.Add(embedding, _mapAugment!.Record(b, augmentation));
        embedding = _map1.Record(b, b.Silu(_map0.Record(b, embedding)));
        if (classes is not null) embedding = b.Add(embedding, _mapLabel!.Record(b, classes));
        return b.Silu(embedding);
    }

    private protected override Tensor RecordBody(BlockContext context, Tensor x)
    {
        var b = context.Builder;
        return _outConv.Record(b, Body.Record(context, x).Features, norm: _outNorm.OnTheWayIn(b, silu: true));
    }
}
