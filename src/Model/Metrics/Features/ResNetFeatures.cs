using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>
/// What a published ResNet averages before its last layer. Of ImageNet's, pictures are resized to 224 x 224 (bilinear, antialiased) and normalised as in training; of CIFAR-10's, they
/// keep their size; of this tool's own, nothing is done.
/// </summary>
internal sealed class ResNetFeatures : FeatureNetwork
{
    private readonly ResNet _network;
    private readonly ResNetGuideOptions _trained;

    private ResNetFeatures(ResNet network, ResNetGuideOptions trained, string name, IKernels kernels, Parameters parameters) : base(name, kernels, parameters) =>
        (_network, _trained) = (network, trained);

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
            return new ResNetFeatures(network, ResNetGuideOptions.AsTrained(file, network.Config), name, kernels, parameters);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    private protected override (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels)
    {
        if (_trained.ResizeTo is { } size) pixels = b.Resize(pixels, ResampleTable.Linear(pixels.Shape[1], size), ResampleTable.Linear(pixels.Shape[2], size));
        var (features, logits) = _network.RecordFeatures(b, _trained.Normalised(b, pixels));
        return (features, null, logits);
    }
}
