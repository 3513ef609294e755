using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Metrics.Features;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Onnx;

/// <summary>Features of pictures by an ONNX file: its first output, or the value asked for. Pictures are resized to the file's size.</summary>
public sealed class OnnxFeatures : FeatureNetwork
{
    private readonly OnnxNetwork _network;

    private OnnxFeatures(OnnxNetwork network, string name) : base(name, network.Parameters.Kernels, network.Parameters) => _network = network;

    /// <inheritdoc/>
    public override int Features => _network.OutputCount;

    private protected override int Batch => 8;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kernels">The device.</param>
    /// <param name="options">How it sees images.</param>
    /// <exception cref="Runtime.Checkpoints.CheckpointException">The file is damaged, or has a node that is not recorded; the message names it, and the remedy.</exception>
    /// <exception cref="ArgumentException">An option is out of range, or contradicts the file.</exception>
    public static OnnxFeatures Open(string path, IKernels kernels, OnnxOptions? options = null)
    {
        var network = OnnxNetwork.Load(path, kernels, options);
        try
        {
            return new(network, $"{NameOf("onnx", path)}{(options?.Output is { } output ? " " + output : "")}");
        }
        catch
        {
            network.Dispose();
            throw;
        }
    }

    private protected override void DisposeNetwork() => _network.Dispose();

    private protected override Shape InputShape(ImageDataset batch) => new(batch.Height, batch.Width, _network.Channels == batch.Channels ? batch.Channels : 3);

    private protected override void Prepare(ImageDataset batch, int index, Span<float> pixels)
    {
        if (_network.Channels == batch.Channels) batch.CopyRow(index, pixels);
        else base.Prepare(batch, index, pixels);
    }

    private protected override (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels) => (_network.Record(b, pixels), null, null);
}
