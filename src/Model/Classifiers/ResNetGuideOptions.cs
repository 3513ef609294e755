using System.Collections.Immutable;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>How a ResNet sees a denoiser's images as a guide.</summary>
public sealed record ResNetGuideOptions
{
    /// <summary>beta of the softplus in place of every ReLU, above 0; infinity keeps the ReLUs. EluCD's values are 3 (DDPM) and 5 (EDM).</summary>
    public double SoftplusBeta { get; init; } = double.PositiveInfinity;

    /// <summary>Mean and deviation of each channel of [0, 1] images that are normalised to 0 and 1; empty for images in [-1, 1] as they are.</summary>
    public ImmutableArray<(double Mean, double Deviation)> Normalisation { get; init; } = [];

    /// <summary>Height and width to resize to, bilinearly; null for the images' own.</summary>
    public int? ResizeTo { get; init; }

    /// <summary>ImageNet's usual normalisation.</summary>
    public static ImmutableArray<(double Mean, double Deviation)> ImageNet => [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];

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
