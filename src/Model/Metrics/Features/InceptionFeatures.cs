using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>
/// The Inception v3 network (Szegedy et al. 2015, arXiv 1512.00567) with the weights of TensorFlow's graph of 2015-12-05, by whose features FID is defined, from the file that pytorch-fid
/// publishes: keys as in torchvision, 1008 classes, without the auxiliary head. As there, pictures are resized to 299 x 299 by plain bilinear interpolation, average pools do not count their padding, and the
/// last block has a maximum pool. Spatial features are the first seven channels of the 1x1 branch of the seventh block (sFID); class probabilities leave out the bias of the last layer.
/// </summary>
public sealed class InceptionFeatures : FeatureNetwork
{
    /// <summary>What the pooled features are called, of whichever file.</summary>
    internal const string PooledName = "inception-2015-12-05 pool3";

    /// <summary>What the spatial features are called.</summary>
    internal const string SpatialName = "inception-2015-12-05 mixed_6 (spatial)";

    /// <summary>Numbers of features.</summary>
    internal const int PooledCount = 2048, SpatialCount = 17 * 17 * SpatialChannels;

    private const int Size = 299, SpatialChannels = 7, Logits = 1008;
    private const double NormEpsilon = 1e-3;
    private const string Anchor = "Mixed_7c.branch_pool.conv.weight", Head = "fc.weight";

    private InceptionFeatures(IKernels kernels, Parameters parameters) : base(PooledName, kernels, parameters)
    {
    }

    /// <inheritdoc/>
    public override int Features => PooledCount;

    /// <inheritdoc/>
    public override int SpatialFeatures => SpatialCount;

    /// <inheritdoc/>
    public override int Classes => Logits;

    private protected override int Batch => 8;

    /// <summary>Whether a file holds an Inception v3 network.</summary>
    internal static bool IsOne(CheckpointFile file) => file.Contains(Anchor) && file.Contains(Head);

    /// <summary>Reads the published file.</summary>
    /// <exception cref="CheckpointException">Tensors do not fit; the message names the first.</exception>
    internal static InceptionFeatures Load(CheckpointFile file, IKernels kernels)
    {
        long[] head = file.Find(Head).Shape;
        if (head is not [Logits, PooledCount])
            throw new CheckpointException(
                $"{file.Name}: an Inception v3 with {Head} [{string.Join(",", head)}]; FID is defined by the one of 1008 classes (pytorch-fid's pt_inception-2015-12-05), and others' features give other numbers.");
        var parameters = new Parameters(kernels, nameof(InceptionFeatures));
        try
        {
            var layers = InceptionLayers.All;
            foreach (var layer in layers)
            {
                parameters.Add(layer.Name + ".weight", new Shape(layer.To, layer.Rows, layer.Columns, layer.From));
                parameters.Add(layer.Name + ".bias", new Shape(layer.To));
            }
            parameters.Add(Head, new Shape(Logits, PooledCount));
            foreach (var layer in layers) Read(file, layer, parameters, kernels);
            kernels.Upload(file.ReadFloat(Head), parameters.ValueOf(parameters[Head]));
            parameters.MarkChanged();
            return new InceptionFeatures(kernels, parameters);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    private protected override (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels)
    {
        var resized = b.Resize(pixels, ResampleTable.Interpolated(pixels.Shape[1], Size), ResampleTable.Interpolated(pixels.Shape[2], Size));
        var (mixed, spatial) = InceptionLayers.Record(b, resized);
        var features = b.GlobalAveragePool(mixed);
        var channels = b.Slice(spatial, 0, SpatialChannels);
        return (features, b.Reshape(channels, new Shape(pixels.Shape.Batch, SpatialCount)), b.Linear(features, b.Parameter(Head)));
    }

    /// <summary>A convolution with the BatchNorm behind it folded in.</summary>
    private static void Read(CheckpointFile file, InceptionLayer layer, Parameters parameters, IKernels kernels)
    {
        float[] published = Checked($"{layer.Name}.conv.weight", layer.To, layer.From, layer.Rows, layer.Columns), weight = new float[published.Length];
        float[] gamma = Norm("weight"), beta = Norm("bias"), mean = Norm("running_mean"), variance = Norm("running_var"), bias = new float[layer.To];
        int taps = layer.Rows * layer.Columns;
        for (int o = 0; o < layer.To; o++)
        {
            double factor = gamma[o] / Math.Sqrt(variance[o] + NormEpsilon);
            bias[o] = (float)(beta[o] - mean[o] * factor);
            for (int c = 0; c < layer.From; c++)
                for (int t = 0; t < taps; t++)
                    weight[(o * taps + t) * layer.From + c] = (float)(published[(o * layer.From + c) * taps + t] * factor);
        }
        kernels.Upload(weight, parameters.ValueOf(parameters[layer.Name + ".weight"]));
        kernels.Upload(bias, parameters.ValueOf(parameters[layer.Name + ".bias"]));

        float[] Norm(string part) => Checked($"{layer.Name}.bn.{part}", layer.To);

        float[] Checked(string key, params long[] shape)
        {
            var tensor = file.Find(key);
            return tensor.Shape.SequenceEqual(shape) ? file.ReadFloat(key)
                : throw new CheckpointException($"{file.Name}: '{key}' is [{string.Join(",", tensor.Shape)}] and should be [{string.Join(",", shape)}] in the FID Inception");
        }
    }
}
