using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// The classifier of noisy images of Dhariwal and Nichol (arXiv 2105.05233), under its published parameter names: the way down and the middle of
/// their U-Net, and one of several heads.
/// </summary>
public sealed class EncoderUNet
{
    private const int HiddenWidth = 2048;

    private readonly AdmEncoder _encoder;
    private readonly GroupNormLayer? _norm;
    private readonly LinearLayer? _first;
    private readonly LinearLayer _last;

    /// <summary>The classifier of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public EncoderUNet(EncoderUNetConfig config)
    {
        Config = config;
        _encoder = new AdmEncoder(config);
        int width = _encoder.Width, classes = config.OutChannels, features = _encoder.Widths.Sum() + width;
        switch (config.Pool)
        {
            case ClassifierPool.Adaptive:
                _norm = _encoder.Norm.Layer("out.0", width);
                _last = new LinearLayer("out.3", width, classes) { PublishedRank = 4, Init = LayerInit.Zero };
                break;
            case ClassifierPool.Attention:
                config.Heads(width);
                _norm = _encoder.Norm.Layer("out.0", width);
                _first = new LinearLayer("out.2.qkv_proj", width, 3 * width) { PublishedRank = 3 };
                _last = new LinearLayer("out.2.c_proj", width, classes) { PublishedRank = 3 };
                break;
            case ClassifierPool.Spatial:
                _first = new LinearLayer("out.0", features, HiddenWidth);
                _last = new LinearLayer("out.2", HiddenWidth, classes);
                break;
            default:
                _first = new LinearLayer("out.0", features, HiddenWidth);
                _norm = _encoder.Norm.Layer("out.1", HiddenWidth);
                _last = new LinearLayer("out.3", HiddenWidth, classes);
                break;
        }
    }

    /// <summary>What it was made from.</summary>
    public EncoderUNetConfig Config { get; }

    /// <summary>Length of the vector before the last layer.</summary>
    internal int FeatureCount => Config.Pool is ClassifierPool.Adaptive or ClassifierPool.Attention ? _encoder.Width : HiddenWidth;

    private int Tokens => Config.LastSize * Config.LastSize + 1;

    /// <summary>Declares every parameter under its published name, in the published order.</summary>
    public void Declare(Parameters parameters)
    {
        _encoder.DeclareTime(parameters);
        _encoder.DeclareBlocks(parameters);
        int width = _encoder.Width;
        // Files have a row per channel, memory one per token.
        if (Config.Pool == ClassifierPool.Attention)
        {
            _norm!.Declare(parameters);
            parameters.Add("out.2.positional_embedding", new Shape(1, Tokens, 1, width), Initializer.Normal(1 / Math.Sqrt(width)), width, Tokens);
        }
        else if (_first is null) _norm!.Declare(parameters);
        _first?.Declare(parameters);
        if (Config.Pool == ClassifierPool.SpatialV2) _norm!.Declare(parameters);
        _last.Declare(parameters);
    }

    /// <summary>Records the classifier.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="x">Noisy images [N, S, S, InChannels].</param>
    /// <param name="timesteps">[N], fractional values allowed.</param>
    /// <param name="dropout">Where dropout takes its random numbers from; may be null when the configuration has none or the plan does not train.</param>
    /// <returns>Logits [N, OutChannels].</returns>
    /// <exception cref="ArgumentException">A shape does not fit the configuration.</exception>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, DropoutSource? dropout = null) => RecordFeatures(b, x, timesteps, dropout).Logits;

    /// <summary>As <see cref="Record"/>, with the vector before the last layer, [N, FeatureCount].</summary>
    internal (Tensor Features, Tensor Logits) RecordFeatures(PlanBuilder b, Tensor x, Tensor timesteps, DropoutSource? dropout = null)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] != Config.ImageSize || x.Shape[2] != Config.ImageSize || x.Shape[3] != Config.InChannels)
            throw new ArgumentException($"The classifier takes images [N,{Config.ImageSize},{Config.ImageSize},{Config.InChannels}]; got {x}.");
        var context = new BlockContext(b, b.Silu(_encoder.RecordTime(b, timesteps)), dropout);
        var results = new List<Tensor>();
        var h = _encoder.RecordBlocks(context, x, results);
        b.Scope = "out";
        var features = Config.Pool switch
        {
            ClassifierPool.Adaptive => b.GlobalAveragePool(_norm!.Record(b, h, silu: true)),
            ClassifierPool.Attention => RecordAttention(b, _norm!.Record(b, h, silu: true)),
            _ => RecordSpatial(b, results.Append(h)),
        };
        var logits = _last.Record(b, features);
        b.Scope = "";
        return (features, logits);
    }

    /// <summary>The first token after attention over the mean of all pixels and the pixels themselves, each with its learned position.</summary>
    private Tensor RecordAttention(PlanBuilder b, Tensor x)
    {
        int batch = x.Shape.Batch, width = x.Shape.Channels, length = Tokens * width;
        var tokens = b.Concat(b.GlobalAveragePool(x), b.Reshape(x, new Shape(batch, length - width)));
        tokens = b.AddShared(tokens, b.Parameter("out.2.positional_embedding"));
        var qkv = _first!.Record(b, b.Reshape(tokens, new Shape(batch, Tokens, width)));
        var attended = b.Attention(qkv, Config.Heads(width), QkvOrder.Split);
        return b.Slice(b.Reshape(attended, new Shape(batch, length)), 0, width);
    }

    private Tensor RecordSpatial(PlanBuilder b, IEnumerable<Tensor> results)
    {
        var hidden = _first!.Record(b, results.Select(b.GlobalAveragePool).Aggregate(b.Concat));
        return _norm is null ? b.Relu(hidden) : _norm.Record(b, hidden, silu: true);
    }
}
