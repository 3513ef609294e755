using System.Collections.Immutable;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>How a ResNet sees a denoiser's images as a guide.</summary>
public sealed record ResNetGuideOptions
{
    /// <summary>Height and width that published ImageNet networks were trained on.</summary>
    internal const int ImageNetSize = 224;

    /// <summary>Where a file says by what its images are normalised.</summary>
    internal const string NormalisationKey = "normalization", NoNormalisation = "none";

    /// <summary>beta of the softplus in place of every ReLU, above 0; infinity keeps the ReLUs. EluCD's values are 3 (DDPM) and 5 (EDM).</summary>
    public double SoftplusBeta { get; init; } = double.PositiveInfinity;

    /// <summary>Mean and deviation of each channel of [0, 1] images that are normalised to 0 and 1; empty for images in [-1, 1] as they are.</summary>
    public ImmutableArray<(double Mean, double Deviation)> Normalisation { get; init; } = [];

    /// <summary>Height and width to resize to, bilinearly; null for the images' own.</summary>
    public int? ResizeTo { get; init; }

    /// <summary>ImageNet's usual normalisation.</summary>
    public static ImmutableArray<(double Mean, double Deviation)> ImageNet => [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

    /// <summary>CIFAR-10's usual normalisation.</summary>
    public static ImmutableArray<(double Mean, double Deviation)> Cifar => [(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)];

    /// <summary>How a network of a file was trained to see images: as the file says, else as published ones of its kind.</summary>
    internal static ResNetGuideOptions AsTrained(CheckpointFile file, ResNetConfig config) => file.Metadata.GetValueOrDefault(NormalisationKey) == NoNormalisation || config.InChannels != 3 ? new()
        : config.Stem == ResNetStem.ImageNet ? new() { Normalisation = ImageNet, ResizeTo = ImageNetSize } : new() { Normalisation = Cifar };

    /// <summary>Images in [-1, 1] as the network was trained on.</summary>
    internal Tensor Normalised(PlanBuilder b, Tensor images)
    {
        return Normalisation.Length == 0 ? images : ChannelNormalisation.Record(b, images, [.. Normalisation]);
    }

    /// <exception cref="ArgumentException">A value is out of range.</exception>
    internal void Require(int channels)
    {
        if (!(SoftplusBeta > 0)) throw new ArgumentException($"The softplus takes a positive beta, or infinity for ReLU; got {SoftplusBeta}.");
        if (Normalisation.Length > 0 && Normalisation.Length != channels)
            throw new ArgumentException($"The normalisation has {Normalisation.Length} channels, the classifier {channels}.");
        if (Normalisation.Any(n => !(n.Deviation > 0) || !double.IsFinite(n.Mean))) throw new ArgumentException("The normalisation's deviations are above 0, its means finite.");
        if (ResizeTo < 1) throw new ArgumentException($"Images are resized to at least 1 pixel; got {ResizeTo}.");
    }
}
