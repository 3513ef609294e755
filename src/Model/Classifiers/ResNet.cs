using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// The residual network of He et al. (arXiv 1512.03385) as published with weights: torchvision's 18 to 152 layers, and the networks for
/// CIFAR-10. Its BatchNorms are part of the convolutions in front of them, folded in by <see cref="Read"/>; trained here, it has none, and
/// <see cref="Entries"/> writes some that change nothing.
/// </summary>
public sealed partial class ResNet
{
    private readonly List<Convolution> _convolutions = [];
    private readonly List<Block> _blocks = [];
    private readonly string _head;

    /// <summary>The network of a configuration.</summary>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public ResNet(ResNetConfig config)
    {
        config.Validate();
        Config = config;
        bool imageNet = config.Stem == ResNetStem.ImageNet;
        _head = imageNet ? "fc" : "linear";
        Stem = Add("conv1", "bn1", config.InChannels, config.Width, imageNet ? 7 : 3, imageNet ? 2 : 1);
        int from = config.Width;
        for (int stage = 0; stage < config.Layers.Length; stage++)
            for (int i = 0; i < config.Layers[stage]; i++)
            {
                string name = $"layer{stage + 1}.{i}.", shortcut = name + (imageNet ? "downsample" : "shortcut");
                int width = config.Width << stage, to = config.StageWidth(stage), stride = i == 0 && stage > 0 ? 2 : 1;
                Convolution[] path = config.Block == ResNetBlock.Basic
                    ? [Add(name + "conv1", name + "bn1", from, width, 3, stride), Add(name + "conv2", name + "bn2", width, to, 3)]
                    :
                    [
                        Add(name + "conv1", name + "bn1", from, width, 1), Add(name + "conv2", name + "bn2", width, width, 3, stride),
                        Add(name + "conv3", name + "bn3", width, to, 1),
                    ];
                var bridge = stride == 1 && from == to ? null
                    : config.Shortcut == ResNetShortcut.Projection ? Add(shortcut + ".0", shortcut + ".1", from, to, 1, stride)
                    : new Convolution(shortcut, null, from, to, 1, stride);
                _blocks.Add(new Block(path, bridge));
                from = to;
            }
    }

    /// <summary>What it was made from.</summary>
    public ResNetConfig Config { get; }

    /// <summary>
    /// The tensors of a checkpoint: key and published extents, in the published order. The running statistics of the BatchNorms are among
    /// them, their <c>num_batches_tracked</c> are not.
    /// </summary>
    public IEnumerable<(string Key, long[] Extents)> Published
    {
        get
        {
            foreach (var c in _convolutions)
            {
                yield return (c.Name + ".weight", [c.To, c.From, c.Kernel, c.Kernel]);
                foreach (string part in (string[])["weight", "bias", "running_mean", "running_var"]) yield return ($"{c.Norm}.{part}", [c.To]);
            }
            yield return (_head + ".weight", [Config.Classes, Config.FeatureCount]);
            yield return (_head + ".bias", [Config.Classes]);
        }
    }

    /// <summary>Number of trained parameters as published: those of the BatchNorms counted, their running statistics not.</summary>
    public long PublishedCount => Published.Where(t => !t.Key.Contains(".running_", StringComparison.Ordinal)).Sum(t => t.Extents.Aggregate(1L, (a, b) => a * b));

    private Convolution Stem { get; }

    /// <summary>Whether a key of a checkpoint is no weight: the number of batches that a BatchNorm saw.</summary>
    public static bool IsBuffer(string key) => key.EndsWith(".num_batches_tracked", StringComparison.Ordinal);

    /// <summary>Declares the folded parameters: a weight and a bias for each convolution, under its key.</summary>
    public void Declare(Parameters parameters)
    {
        foreach (var c in AllConvolutions)
        {
            parameters.Add(c.Name + ".weight", new Shape(c.To, c.Kernel, c.Kernel, c.From), Initializer.FanIn(c.From * c.Kernel * c.Kernel));
            if (c.Norm is not null) parameters.Add(c.Name + ".bias", new Shape(c.To));
        }
        parameters.Add(_head + ".weight", new Shape(Config.Classes, Config.FeatureCount), Initializer.FanIn(Config.FeatureCount));
        parameters.Add(_head + ".bias", new Shape(Config.Classes));
    }

    /// <summary>Records the network.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="images">[N, H, W, InChannels], normalised as the network was trained.</param>
    /// <param name="softplusBeta">
    /// Replaces every ReLU by softplus of this beta (<see cref="IKernels.SoftplusForward"/>), which gives smoother gradients; infinity keeps the ReLUs.
    /// </param>
    /// <returns>Logits [N, Classes].</returns>
    /// <exception cref="ArgumentException">The images have another number of channels, or beta is not positive.</exception>
    public Tensor Record(PlanBuilder b, Tensor images, double softplusBeta = double.PositiveInfinity) => RecordFeatures(b, images, softplusBeta).Logits;

    /// <summary>As <see cref="Record"/>, with the averages before the last layer, [N, <see cref="ResNetConfig.FeatureCount"/>].</summary>
    internal (Tensor Features, Tensor Logits) RecordFeatures(PlanBuilder b, Tensor images, double softplusBeta = double.PositiveInfinity)
    {
        if (images.Shape.Rank != 4 || images.Shape.Channels != Config.InChannels)
            throw new ArgumentException($"The ResNet takes images [N,H,W,{Config.InChannels}]; got {images}.");
        if (!(softplusBeta > 0)) throw new ArgumentException($"The ResNet's softplus takes a positive beta, or infinity for ReLU; got {softplusBeta}.");
        b.Scope = Stem.Name;
        var h = Activated(b, Stem, images, softplusBeta);
        if (Config.Stem == ResNetStem.ImageNet) h = b.MaxPool3x3(h);
        foreach (var block in _blocks)
        {
            b.Scope = block.Path[0].Name[..block.Path[0].Name.LastIndexOf('.')];
            var residual = block.Bridge is null ? h : Convolve(b, block.Bridge, h, new Conv2dOptions());
            foreach (var c in block.Path) h = Activated(b, c, h, softplusBeta, c == block.Path[^1] ? residual : null);
        }
        b.Scope = "";
        var features = b.GlobalAveragePool(h);
        return (features, b.Linear(features, b.Parameter(_head + ".weight"), b.Parameter(_head + ".bias")));
    }

    private static Tensor Activated(PlanBuilder b, Convolution c, Tensor x, double softplusBeta, Tensor? residual = null)
    {
        bool relu = double.IsPositiveInfinity(softplusBeta);
        return Convolve(b, c, x, new Conv2dOptions { Residual = residual, Relu = relu, SoftplusBeta = relu ? null : (float)softplusBeta });
    }

    private static Tensor Convolve(PlanBuilder b, Convolution c, Tensor x, Conv2dOptions options) =>
        b.Conv2d(x, b.Parameter(c.Name + ".weight"), c.Norm is null ? null : b.Parameter(c.Name + ".bias"), options with { Stride = c.Stride });

    private IEnumerable<Convolution> AllConvolutions => _convolutions.Concat(_blocks.Select(x => x.Bridge).OfType<Convolution>().Where(c => c.Norm is null));

    private Convolution Add(string name, string norm, int from, int to, int kernel, int stride = 1)
    {
        var convolution = new Convolution(name, norm, from, to, kernel, stride);
        _convolutions.Add(convolution);
        return convolution;
    }

    /// <summary>
    /// A convolution and the BatchNorm behind it. Without one it is a shortcut of option A: a convolution whose fixed weight takes every channel
    /// to a place between the zeros, exactly, and which is in no file.
    /// </summary>
    private sealed record Convolution(string Name, string? Norm, int From, int To, int Kernel, int Stride);

    /// <summary>A residual block: its convolutions, and the one on the shortcut where there is one.</summary>
    private sealed record Block(Convolution[] Path, Convolution? Bridge);
}
