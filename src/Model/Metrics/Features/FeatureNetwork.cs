using System.Security.Cryptography;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Clip;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>
/// A network whose features metrics compare: the FID Inception, CLIP's image tower, a ResNet, or a classifier of this project. It serves one caller at a time.
/// </summary>
public abstract class FeatureNetwork : IDisposable
{
    private const string SpatialSuffix = " (spatial)";

    private readonly UseGuard _guard = new(nameof(FeatureNetwork), "A network that gives features serves one caller at a time; open one for each thread.");
    private readonly Dictionary<(int, int, int), Plan> _plans = [];
    private readonly Arena _arena;

    private protected FeatureNetwork(string name, IKernels kernels, Parameters parameters) => (Name, Kernels, Parameters, _arena) = (name, kernels, parameters, new Arena(kernels));

    /// <summary>What the features are called: network, weights, layer. Features of different names are never compared.</summary>
    public string Name { get; }

    /// <summary>Number of pooled features.</summary>
    public abstract int Features { get; }

    /// <summary>Number of spatial features, for sFID; 0 for none.</summary>
    public virtual int SpatialFeatures => 0;

    /// <summary>Number of classes whose probabilities it gives; 0 for none.</summary>
    public virtual int Classes => 0;

    /// <summary>Names of the classes where they are those of labels; null where accuracy has no meaning.</summary>
    public virtual IReadOnlyList<string>? ClassNames => null;

    private protected IKernels Kernels { get; }

    private protected Parameters Parameters { get; }

    /// <summary>Pictures of a plan.</summary>
    private protected virtual int Batch => 16;

    /// <summary>Opens the network of a file; the shipped classifier of digits without one.</summary>
    /// <param name="path">A file of one of the kinds above, or null.</param>
    /// <param name="kernels">The device.</param>
    /// <exception cref="CheckpointException">The file is damaged or holds no network that gives features.</exception>
    public static FeatureNetwork Open(string? path, IKernels kernels)
    {
        if (path is null) return new ClassifierFeatures(ImageClassifier.LoadShippedDigits(kernels), NameOf("digits-classifier", ShippedFiles.Find("models/digits-classifier.safetensors")));
        using var file = CheckpointFile.Open(path);
        if (file.Metadata.TryGetValue(ModelMetadata.ArchitectureKey, out string? own) && own == ImageClassifier.Architecture)
            return new ClassifierFeatures(ImageClassifier.Load(path, kernels), NameOf("classifier", path));
        if (InceptionFeatures.IsOne(file)) return InceptionFeatures.Load(file, kernels);
        var published = PublishedCheckpoint.Require(file, c => c is ResNetConfig or ClipConfig, "a network that gives features (the FID Inception, CLIP, a ResNet or a classifier)");
        return published.Config is ClipConfig ? ClipFeatures.Load(file, published, NameOf("clip", path), kernels) : ResNetFeatures.Load(file, published, NameOf("resnet", path), kernels);
    }

    /// <summary>Computes the features of pictures.</summary>
    /// <param name="images">The pictures.</param>
    /// <param name="seed">Of the groups that errors come from.</param>
    /// <param name="threads">Threads for covariances; 0 takes one per processor.</param>
    /// <param name="progress">Told the number of pictures done.</param>
    /// <param name="cancellation">Checked between batches.</param>
    /// <exception cref="ArgumentException">Pictures that the network does not take, or that it has features of NaN for.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="InvalidOperationException">Another call uses this network.</exception>
    /// <exception cref="ObjectDisposedException">The network or its device was disposed.</exception>
    public SampleFeatures Extract(ImageSource images, ulong seed = 0, int threads = 0, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        using var use = _guard.Write();
        using var weights = Parameters.Guard.Read();
        var result = new SampleFeatures(this, images, seed, threads);
        float[] features = new float[Batch * Features], spatial = new float[Batch * SpatialFeatures], logits = new float[Batch * Classes];
        foreach (var batch in images.Batches(Batch))
        {
            cancellation.ThrowIfCancellationRequested();
            var pixels = new float[batch.Count * InputShape(batch).Count];
            for (int i = 0; i < batch.Count; i++) Prepare(batch, i, pixels.AsSpan((int)(i * InputShape(batch).Count), (int)InputShape(batch).Count));
            var plan = PlanFor(batch);
            Kernels.Upload(pixels, plan.Input("pixels"));
            plan.Run(cancellation);
            Download("features", features, Features);
            if (SpatialFeatures > 0) Download("spatial", spatial, SpatialFeatures);
            if (Classes > 0) Download("logits", logits, Classes);
            result.Add(batch, features.AsSpan(0, batch.Count * Features), spatial.AsSpan(0, batch.Count * SpatialFeatures), logits.AsSpan(0, batch.Count * Classes));
            progress?.Report(result.Features.Count);

            void Download(string output, float[] to, int length) => Kernels.Download(plan.Output(output), to.AsSpan(0, batch.Count * length));
        }
        return result;
    }

    /// <summary>Frees the weights.</summary>
    /// <exception cref="InvalidOperationException">The network is in use.</exception>
    public void Dispose()
    {
        GC.SuppressFinalize(this);
        if (!_guard.End()) return;
        foreach (var plan in _plans.Values) plan.Dispose();
        _arena.Dispose();
        DisposeNetwork();
    }

    /// <summary>What the spatial features of a network are called.</summary>
    internal static string SpatialNameOf(string name) => name == InceptionFeatures.PooledName ? InceptionFeatures.SpatialName : name + SpatialSuffix;

    private protected virtual void DisposeNetwork() => Parameters.Dispose();

    /// <summary>The shape [H, W, C] of one picture as the plan takes it.</summary>
    private protected virtual Shape InputShape(ImageDataset batch) => new(batch.Height, batch.Width, 3);

    /// <summary>Writes a picture as the plan takes it: in [-1, 1], grey as three equal channels.</summary>
    private protected virtual void Prepare(ImageDataset batch, int index, Span<float> pixels)
    {
        if (batch.Channels == 3) batch.CopyRow(index, pixels);
        else PixelConversion.ToFloat(batch.ToImage(index).ToRgb().Pixels.Span, pixels);
    }

    /// <summary>Records the network.</summary>
    /// <returns>[N, Features], and spatial features and logits where there are any.</returns>
    private protected abstract (Tensor Features, Tensor? Spatial, Tensor? Logits) Record(PlanBuilder b, Tensor pixels);

    /// <summary>A network of that file: its kind, the file's name and the beginning of its hash, so that other weights have another name.</summary>
    internal static string NameOf(string kind, string path)
    {
        using var stream = InputFile.Open(path);
        return $"{kind} {Path.GetFileNameWithoutExtension(path)} {Convert.ToHexStringLower(SHA256.HashData(stream))[..8]}";
    }

    private Plan PlanFor(ImageDataset batch)
    {
        var shape = InputShape(batch);
        if (_plans.TryGetValue((batch.Count, shape[0], shape[1]), out var plan)) return plan;
        var b = new PlanBuilder(Kernels, Parameters) { Images = batch.Count };
        var (features, spatial, logits) = Record(b, b.Input("pixels", new Shape(batch.Count, shape[0], shape[1], shape[2])));
        b.Output("features", features);
        if (spatial is not null) b.Output("spatial", spatial);
        if (logits is not null) b.Output("logits", logits);
        return _plans[(batch.Count, shape[0], shape[1])] = b.Build(_arena);
    }
}
