using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>
/// What a published ResNet averages before its last layer. Of ImageNet's, pictures are resized to 224 x 224 (bilinear, antialiased) and normalised as in training; of CIFAR-10's, they
/// keep their size.
/// </summary>
internal sealed class ResNetFeatures : FeatureNetwork
{
    private const int ImageNetSize = 224;

    private static readonly (double Mean, double Deviation)[] Cifar = [(0.4914, 0.2470), (0.4822, 0.2435), (0.4465, 0.2616)];

    private readonly ResNet _network;

    private ResNetFeatures(ResNet network, string name, IKernels kernels, Parameters parameters) : base(name, kernels, parameters) => _network = network;

    public override int Features => _network.Config.FeatureCount;

    public override int Classes => _network.Config.Classes;

    public override IReadOnlyList<string> ClassNames => NetworkFamilies.Numbers(Classes);

    public static ResNetFeatures Load(CheckpointFile file, PublishedCheckpoint published, string name, IKernels kernels)
    {
        var network = new ResNet((ResNetConfig)published.Config);
        if (network.Config.InChannels != 3) throw new CheckpointException($"{file.Name}: the ResNet takes {network.Config.InChannels} channels, pictures have 3.");
        var parameters = new Parameters(kernels, nameof(ResNetFeatures));
        try
        {
            network.Declare(parameters);
            network.Read(file, published.Prefix, parameters, kernels);
            return new ResNetFeatures(network, name, kernels, parameters);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    private protected override (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels)
    {
        bool imageNet = _network.Config.Stem == ResNetStem.ImageNet;
        if (imageNet) pixels = b.Resize(pixels, ResampleTable.Linear(pixels.Shape[1], ImageNetSize), ResampleTable.Linear(pixels.Shape[2], ImageNetSize));
        var (features, logits) = _network.RecordFeatures(b, ChannelNormalisation.Record(b, pixels, imageNet ? ResNetGuideOptions.ImageNet.AsSpan() : Cifar));
        return (features, null, logits);
    }
}
