using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// The perceptron of a tutorial on classifier-free guidance for MNIST: the image as one vector beside the embeddings of class and time, through layers of
/// 512, 256 and 512 channels. The source advertises residual connections and has none; its tanh head is an option
/// (<see cref="TutorialMlpConfig.TanhHead"/>).
/// </summary>
public sealed class TutorialMlp : IDiffusionNetwork
{
    private const double Epsilon = 1e-5;
    private const string Classes = "class_embedding.weight";

    private readonly LinearLayer _class, _time0, _time1, _wide, _narrow, _wideAgain, _out;
    private readonly LayerNormLayer _wideNorm, _narrowNorm, _wideAgainNorm;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public TutorialMlp(TutorialMlpConfig config)
    {
        config.Validate();
        Config = config;
        int width = config.Width, pixels = Pixels;
        _class = new("class_mlp.0", width, width);
        (_time0, _time1) = (new("time_mlp.0", 1, width), new("time_mlp.2", width, width));
        (_wide, _wideNorm) = (new("encoder.0", pixels + 2 * width, 2 * width), new("encoder.1", 2 * width, Epsilon));
        (_narrow, _narrowNorm) = (new("encoder.3", 2 * width, width), new("encoder.4", width, Epsilon));
        (_wideAgain, _wideAgainNorm) = (new("decoder.0", width, 2 * width), new("decoder.1", 2 * width, Epsilon));
        _out = new("decoder.3", 2 * width, pixels);
    }

    /// <summary>What it was made from.</summary>
    public TutorialMlpConfig Config { get; }

    INetworkConfig IDiffusionNetwork.Config => Config;

    private int Pixels => Config.ImageSize * Config.ImageSize * Config.InChannels;

    /// <inheritdoc/>
    public void Declare(Parameters parameters)
    {
        parameters.Add(Classes, new Shape(Config.NumClasses, Config.Width), Initializer.Normal(1));
        foreach (var layer in new[] { _class, _time0, _time1 }) layer.Declare(parameters);
        foreach (var (layer, norm) in new[] { (_wide, _wideNorm), (_narrow, _narrowNorm), (_wideAgain, _wideAgainNorm) })
        {
            layer.Declare(parameters);
            norm.Declare(parameters);
        }
        _out.Declare(parameters);
    }

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null)
    {
        if (x.Shape.Rank != 4 || x.Shape[1] != Config.ImageSize || x.Shape[2] != Config.ImageSize || x.Shape[3] != Config.InChannels)
            throw new ArgumentException($"This perceptron takes images [N,{Config.ImageSize},{Config.ImageSize},{Config.InChannels}]; got {x}.");
        if (labels is null) throw new ArgumentException($"This perceptron has {Config.NumClasses} labels and needs them.");
        var time = b.Scale(b.Reshape(timesteps, new Shape(x.Shape.Batch, 1)), (float)Config.TimeScale);
        time = _time1.Record(b, b.Relu(_time0.Record(b, time)));
        var condition = b.Relu(_class.Record(b, b.EmbeddingLookup(labels, b.Parameter(Classes))));
        var h = b.Concat(b.Reshape(x, new Shape(x.Shape.Batch, Pixels)), b.Concat(condition, time));
        h = b.Relu(_wideNorm.Record(b, _wide.Record(b, h)));
        h = b.Relu(_narrowNorm.Record(b, _narrow.Record(b, h)));
        h = b.Relu(_wideAgainNorm.Record(b, _wideAgain.Record(b, h)));
        h = _out.Record(b, h);
        return b.Reshape(Config.TanhHead ? b.Tanh(h) : h, x.Shape);
    }
}
