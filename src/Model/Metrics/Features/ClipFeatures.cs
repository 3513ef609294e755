using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>CLIP's embedding of an image, not normalised; pictures are prepared as published (<see cref="ClipPreprocessing.Apply"/>).</summary>
internal sealed class ClipFeatures : FeatureNetwork
{
    private readonly ClipNetwork _network;

    private ClipFeatures(ClipNetwork network, string name, IKernels kernels, Parameters parameters) : base(name, kernels, parameters) => _network = network;

    public override int Features => _network.Config.EmbedDim;

    private protected override int Batch => 8;

    public static ClipFeatures Load(CheckpointFile file, PublishedCheckpoint published, string name, IKernels kernels)
    {
        var network = new ClipNetwork((ClipConfig)published.Config);
        var parameters = new Parameters(kernels, nameof(ClipFeatures));
        try
        {
            network.Declare(parameters);
            WeightFile.Read(file, published.Prefix, parameters, kernels, ClipNetwork.IsBuffer);
            return new ClipFeatures(network, name, kernels, parameters);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    private protected override Shape InputShape(ImageDataset batch) => new(_network.Config.ImageResolution, _network.Config.ImageResolution, 3);

    private protected override void Prepare(ImageDataset batch, int index, Span<float> pixels) => ClipPreprocessing.Apply(batch.ToImage(index), _network.Config.ImageResolution).CopyTo(pixels);

    private protected override (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels) => (_network.RecordImage(b, pixels), null, null);
}
