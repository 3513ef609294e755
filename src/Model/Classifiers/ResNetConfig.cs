using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>What a <see cref="ResNet"/>'s residual block consists of.</summary>
public enum ResNetBlock
{
    /// <summary>Two 3x3 convolutions; the stride is in the first.</summary>
    Basic,

    /// <summary>1x1, 3x3 and 1x1 convolutions, the last four times as wide; the stride is in the 3x3 one.</summary>
    Bottleneck,
}

/// <summary>How a <see cref="ResNet"/> begins.</summary>
public enum ResNetStem
{
    /// <summary>A 7x7 convolution of stride 2, then 3x3 maximum pooling of stride 2. Keys as in torchvision: <c>downsample</c>, <c>fc</c>.</summary>
    ImageNet,

    /// <summary>A 3x3 convolution. Keys as in the usual CIFAR-10 networks: <c>shortcut</c>, <c>linear</c>.</summary>
    Cifar,
}

/// <summary>What a <see cref="ResNet"/>'s block adds where its result has another shape than its input (He et al., arXiv 1512.03385, section 3.3).</summary>
public enum ResNetShortcut
{
    /// <summary>A 1x1 convolution with BatchNorm (option B).</summary>
    Projection,

    /// <summary>Every second pixel, with zero channels added in equal halves before and behind (option A); it has no parameters.</summary>
    ZeroPadded,
}

/// <summary>The architecture of a <see cref="ResNet"/>.</summary>
public sealed record ResNetConfig
{
    /// <summary>Kind of the residual blocks.</summary>
    public ResNetBlock Block { get; init; }

    /// <summary>Blocks of each stage; every stage after the first halves height and width and doubles the channels.</summary>
    public required ImmutableArray<int> Layers { get; init; }

    /// <summary>Channels of the stem and of the first stage's 3x3 convolutions.</summary>
    public int Width { get; init; } = 64;

    /// <summary>Channels of the images.</summary>
    public int InChannels { get; init; } = 3;

    /// <summary>Number of logits.</summary>
    public int Classes { get; init; } = 1000;

    /// <summary>How the network begins.</summary>
    public ResNetStem Stem { get; init; }

    /// <summary>What is added where shapes change.</summary>
    public ResNetShortcut Shortcut { get; init; }

    /// <summary>Channels before the last layer.</summary>
    [JsonIgnore]
    public int FeatureCount => StageWidth(Layers.Length - 1);

    internal int Expansion => Block == ResNetBlock.Basic ? 1 : 4;

    /// <summary>The torchvision network of a depth: 18, 34, 50, 101 or 152.</summary>
    /// <exception cref="ArgumentException">Another depth.</exception>
    public static ResNetConfig OfDepth(int depth) => depth switch
    {
        18 => new() { Layers = [2, 2, 2, 2] },
        34 => new() { Layers = [3, 4, 6, 3] },
        50 => new() { Block = ResNetBlock.Bottleneck, Layers = [3, 4, 6, 3] },
        101 => new() { Block = ResNetBlock.Bottleneck, Layers = [3, 4, 23, 3] },
        152 => new() { Block = ResNetBlock.Bottleneck, Layers = [3, 8, 36, 3] },
        _ => throw new ArgumentException($"ResNets of 18, 34, 50, 101 and 152 layers are published; got {depth}.", nameof(depth)),
    };

    /// <summary>The CIFAR-10 network of 6 n + 2 layers (20, 32, 44, 56, ...), with shortcuts of option A.</summary>
    /// <exception cref="ArgumentException">The depth is not 6 n + 2.</exception>
    public static ResNetConfig Cifar(int depth)
    {
        if (depth < 8 || depth % 6 != 2) throw new ArgumentException($"A CIFAR-10 ResNet has 6 n + 2 layers, 8 or more; got {depth}.", nameof(depth));
        int blocks = depth / 6;
        return new() { Layers = [blocks, blocks, blocks], Width = 16, Classes = 10, Stem = ResNetStem.Cifar, Shortcut = ResNetShortcut.ZeroPadded };
    }

    /// <summary>The architecture whose tensors have these names and extents; null where they are no ResNet's.</summary>
    /// <param name="shapes">Extents as published, by key without a prefix.</param>
    public static ResNetConfig? Infer(IReadOnlyDictionary<string, long[]> shapes)
    {
        if (!shapes.TryGetValue("conv1.weight", out long[]? stem) || stem.Length != 4 || !shapes.ContainsKey("bn1.running_var")
            || !shapes.ContainsKey("layer1.0.bn1.running_var")) return null;
        bool cifar = shapes.TryGetValue("linear.weight", out long[]? head);
        if ((!cifar && !shapes.TryGetValue("fc.weight", out head)) || head!.Length != 2) return null;
        if (stem[0] > int.MaxValue || stem[1] > int.MaxValue || head[0] > int.MaxValue) return null;
        var layers = ImmutableArray.CreateBuilder<int>();
        for (int stage = 1; shapes.ContainsKey($"layer{stage}.0.conv1.weight"); stage++)
        {
            int blocks = 1;
            while (shapes.ContainsKey($"layer{stage}.{blocks}.conv1.weight")) blocks++;
            layers.Add(blocks);
        }
        var config = new ResNetConfig
        {
            Block = shapes.ContainsKey("layer1.0.conv3.weight") ? ResNetBlock.Bottleneck : ResNetBlock.Basic,
            Layers = layers.ToImmutable(),
            Width = (int)stem[0],
            InChannels = (int)stem[1],
            Classes = (int)head[0],
            Stem = cifar ? ResNetStem.Cifar : ResNetStem.ImageNet,
            Shortcut = cifar && !shapes.ContainsKey("layer2.0.shortcut.0.weight") && layers.Count > 1 ? ResNetShortcut.ZeroPadded : ResNetShortcut.Projection,
        };
        return config.Problem is null ? config : null;
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="ArgumentException">A value is out of range; the message names it.</exception>
    public void Validate()
    {
        if (Problem is { } problem) throw new ArgumentException(problem);
    }

    internal int StageWidth(int stage) => Expansion * (Width << stage);

    private string? Problem =>
        Layers.IsDefaultOrEmpty || Layers.Length > 8 ? "A ResNet has 1 to 8 stages."
        : Layers.Any(l => l is < 1 or > 1000) ? $"A stage of a ResNet has 1 to 1000 blocks; got {string.Join(", ", Layers)}."
        : Width is < 1 or > 8192 || StageWidth(Layers.Length - 1) > 1 << 16 ? $"A ResNet begins with 1 to 8192 channels and ends with at most 65536; got {Width} and {Layers.Length} stages."
        : InChannels is < 1 or > 1024 ? $"A ResNet's images have 1 to 1024 channels; got {InChannels}."
        : Classes is < 1 or > 1 << 20 ? $"A ResNet has 1 to {1 << 20} classes; got {Classes}."
        : Shortcut == ResNetShortcut.ZeroPadded && (Block != ResNetBlock.Basic || Width % 2 != 0)
            ? $"Zero-padded shortcuts are those of basic blocks of an even width; got {Block} and {Width}."
        : null;
}
