using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>EDM's form of the DDPM++ and NCSN++ networks of Song et al. 2021 (<c>SongUNet</c>).</summary>
public sealed class SongUNet : EdmUNet
{
    private const double Epsilon = 1e-6, LastGain = 1e-5, FrequencyDeviation = 16, MaxPeriod = 10000;
    private const string Frequencies = "map_noise.freqs";

    private readonly SongUNetConfig _config;
    private readonly LinearLayer? _mapLabel, _mapAugment;
    private readonly LinearLayer _map0, _map1;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public SongUNet(SongUNetConfig config)
        : base(config)
    {
        _config = config;
        var init = LayerInit.Xavier();
        int width = config.NoiseWidth, embedding = config.EmbeddingWidth;
        if (config.LabelDim > 0) _mapLabel = new LinearLayer("map_label", config.LabelDim, width) { Init = init };
        if (config.AugmentDim > 0) _mapAugment = new LinearLayer("map_augment", config.AugmentDim, width) { Bias = false, Init = init };
        _map0 = new LinearLayer("map_layer0", width, embedding) { Init = init };
        _map1 = new LinearLayer("map_layer1", embedding, embedding) { Init = init };
        float share = MathF.Sqrt(0.5f);
        Body = new EdmBody(config, new EdmBodyOptions
        {
            Res = EdmBody.ResOptions(config, Epsilon) with
            {
                ResidualScale = share,
                ProjectResampled = true,
                Filter = Filter(config),
                Init = init,
                LastInit = LayerInit.Xavier(LastGain),
            },
            Attention = EdmBody.AttentionOptions(Epsilon) with { ResidualScale = share, QkvInit = LayerInit.Xavier(Math.Sqrt(0.2)), LastInit = LayerInit.Xavier(LastGain) },
            FirstWidth = config.ModelChannels,
            Heads = _ => 1,
            AttentionInLastBlock = true,
            Encoder = config.EncoderType,
            Decoder = config.DecoderType,
        });
    }

    private protected override EdmBody Body { get; }

    /// <inheritdoc/>
    public override void Declare(Parameters parameters)
    {
        if (_config.EmbeddingType == SongEmbedding.Fourier)
            parameters.Add(Frequencies, new Shape(_config.NoiseWidth / 2), Initializer.Table(i => FrequencyDeviation * Philox.Normal(0, 0, 0, RandomStream.Weights, i)));
        _mapLabel?.Declare(parameters);
        _mapAugment?.Declare(parameters);
        _map0.Declare(parameters);
        _map1.Declare(parameters);
        Body.Declare(parameters);
    }

    private protected override Tensor RecordEmbedding(PlanBuilder b, Tensor noise, Tensor? classes, Tensor? augmentation)
    {
        int width = _config.NoiseWidth, half = width / 2;
        // The lowest frequency is 1 / MaxPeriod itself, the last of the half.
        var embedding = _config.EmbeddingType == SongEmbedding.Fourier
            ? b.FourierEmbedding(noise, b.Parameter(Frequencies))
            : b.TimestepEmbedding(noise, width, Math.Pow(MaxPeriod, half / (half - 1.0)));
        embedding = b.Concat(b.Slice(embedding, half, half), b.Slice(embedding, 0, half));
        if (classes is not null) embedding = b.Add(embedding, _mapLabel!.Record(b, b.Scale(classes, MathF.Sqrt(_config.LabelDim))));
        if (augmentation is not null) embedding = b.Add(embedding, _mapAugment!.Record(b, augmentation));
        return b.Silu(_map1.Record(b, b.Silu(_map0.Record(b, embedding))));
    }

    private protected override Tensor RecordBody(BlockContext context, Tensor x) => Body.Record(context, x).Image!;

    private static double[]? Filter(SongUNetConfig config)
    {
        double[] taps = [.. config.ResampleFilter.Select(tap => tap / config.ResampleFilter.Sum())];
        return taps is [0.5, 0.5] ? null : taps;
    }
}
