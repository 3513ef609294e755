using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>A small GroupNorm classifier of clean images with its weights on one device: the judge of generated images. It serves one caller at a time.</summary>
public sealed class ImageClassifier : IClassifierNetwork, IDisposable
{
    internal const string Architecture = "groupnorm_classifier";
    private const int Batch = 64;

    private readonly UseGuard _guard = new(nameof(ImageClassifier), "A classifier serves one caller at a time; load one for each thread.");
    private readonly bool _ownsKernels;
    private readonly Arena _arena;
    private readonly Dictionary<int, Plan> _plans = [];

    /// <summary>A new classifier with randomly initialised weights.</summary>
    /// <param name="config">Architecture and classes.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="seed">Seed of the initial weights.</param>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public ImageClassifier(ClassifierConfig config, IKernels? kernels = null, ulong seed = 0) : this(config, kernels) =>
        WeightInitialization.Apply(Parameters, Kernels, seed);

    private ImageClassifier(ClassifierConfig config, IKernels? kernels)
    {
        (Config, Network) = (config, new ClassifierNetwork(config));
        _ownsKernels = kernels is null;
        Kernels = kernels ?? new CpuKernels();
        _arena = new Arena(Kernels);
        Parameters = new Parameters(Kernels, nameof(ImageClassifier));
        Network.Declare(Parameters);
    }

    /// <summary>Architecture and classes.</summary>
    public ClassifierConfig Config { get; }

    /// <summary>The device.</summary>
    public IKernels Kernels { get; }

    /// <summary>The weights.</summary>
    public Parameters Parameters { get; }

    /// <inheritdoc/>
    public int Classes => Config.Classes;

    /// <inheritdoc/>
    public int Channels => Config.InChannels;

    /// <inheritdoc/>
    public int? ImageSize => Config.ImageSize;

    /// <inheritdoc/>
    public bool TakesNoise => false;

    internal ClassifierNetwork Network { get; }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => Network.Record(b, images).Logits;

    /// <summary>Reads a classifier that <see cref="Save"/> wrote.</summary>
    /// <param name="path">A safetensors file.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <exception cref="CheckpointException">The file is damaged or does not hold a classifier; the message names file, key and values.</exception>
    public static ImageClassifier Load(string path, IKernels? kernels = null)
    {
        using var file = SafetensorsFile.Open(path);
        if (file.Metadata.TryGetValue(ModelMetadata.ArchitectureKey, out string? found) && found != Architecture)
            throw new CheckpointException($"{path}: holds a '{found}', not a classifier ('{Architecture}').");
        var config = ModelMetadata.Parse<ClassifierConfig>(file, ModelMetadata.NetworkKey);
        ImageClassifier classifier;
        try
        {
            classifier = new ImageClassifier(config, kernels);
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{path}: {e.Message}", e);
        }
        try
        {
            // Before memory is reserved for what the metadata claim.
            long elements = file.Tensors.Sum(t => t.ElementCount);
            if (elements != classifier.Parameters.Count)
                throw new CheckpointException($"{path}: its architecture has {classifier.Parameters.Count} weights, its tensors hold {elements}.");
            WeightFile.Read(file, "", classifier.Parameters, classifier.Kernels);
            return classifier;
        }
        catch
        {
            classifier.Dispose();
            throw;
        }
    }

    /// <summary>Loads the classifier of MNIST digits that comes with the tool.</summary>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <exception cref="FileNotFoundException">The file is neither beside the program nor in a folder above it.</exception>
    public static ImageClassifier LoadShippedDigits(IKernels? kernels = null) =>
        Load(ShippedFiles.Find("models/digits-classifier.safetensors"), kernels);

    /// <summary>Writes weights, architecture and class names.</summary>
    /// <param name="path">Written beside and moved into place.</param>
    /// <param name="type">F32 or, half the size, F16.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path, DType type = DType.F32)
    {
        using var use = Parameters.Guard.Read();
        SafetensorsWriter.Write(path, WeightFile.Entries(Parameters, Kernels, "", type), new Dictionary<string, string>
        {
            ["format"] = "nativediffusion",
            [ModelMetadata.ArchitectureKey] = Architecture,
            [ModelMetadata.NetworkKey] = JsonSerializer.Serialize(Config, ModelMetadata.Json),
        });
    }

    /// <summary>Classifies images; smaller ones than the network's are padded with black. The result of an image does not depend on the others.</summary>
    /// <param name="images">Images; their labels are not looked at.</param>
    /// <param name="progress">Told the number of images done.</param>
    /// <param name="cancellation">Checked between batches.</param>
    /// <exception cref="ArgumentException">The images have another number of channels, or are larger than the network's.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Classification Classify(ImageDataset images, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        images = Fit(images);
        return Classify(images.Count, images.CopyRow, progress, cancellation);
    }

    /// <summary>Classifies images given as floats.</summary>
    /// <param name="pixels">[N, S, S, C] in [-1, 1], S and C those of the network.</param>
    /// <exception cref="ArgumentException">The length is not that of a whole number of images.</exception>
    public Classification Classify(ReadOnlyMemory<float> pixels)
    {
        int row = Config.ImageSize * Config.ImageSize * Config.InChannels;
        if (pixels.Length % row != 0)
            throw new ArgumentException($"{pixels.Length} values are not a whole number of images of {Config.ImageSize}x{Config.ImageSize}x{Config.InChannels}.");
        return Classify(pixels.Length / row, (i, destination) => pixels.Span.Slice(i * row, row).CopyTo(destination), null, default);
    }

    /// <summary>The images in the network's size.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    internal ImageDataset Fit(ImageDataset images)
    {
        if (images.Channels != Config.InChannels || Math.Max(images.Height, images.Width) > Config.ImageSize)
            throw new ArgumentException(
                $"The classifier takes images of {Config.InChannels} channels and at most {Config.ImageSize}x{Config.ImageSize} pixels; these are {images.Height}x{images.Width} of {images.Channels} channels.");
        return images.PadTo(Config.ImageSize);
    }

    /// <summary>Frees the weights, and the device if the classifier made it.</summary>
    /// <exception cref="InvalidOperationException">The classifier is in use.</exception>
    public void Dispose()
    {
        Parameters.Dispose();
        if (!_guard.End()) return;
        foreach (var plan in _plans.Values) plan.Dispose();
        _arena.Dispose();
        if (_ownsKernels) Kernels.Dispose();
    }

    private Classification Classify(int count, RowReader read, IProgress<int>? progress, CancellationToken cancellation)
    {
        using var use = _guard.Write();
        using var weights = Parameters.Guard.Read();
        var result = new Classification(count, Config.Classes, Config.FeatureCount);
        int row = Config.ImageSize * Config.ImageSize * Config.InChannels, rows = Math.Min(Batch, count);
        float[] pixels = new float[rows * row], logits = new float[rows * Config.Classes], features = new float[rows * Config.FeatureCount];
        for (int start = 0; start < count; start += Batch)
        {
            cancellation.ThrowIfCancellationRequested();
            rows = Math.Min(Batch, count - start);
            for (int i = 0; i < rows; i++) read(start + i, pixels.AsSpan(i * row, row));
            var plan = PlanFor(rows);
            Kernels.Upload(pixels.AsSpan(0, rows * row), plan.Input("images"));
            plan.Run();
            Kernels.Download(plan.Output("logits"), logits);
            Kernels.Download(plan.Output("features"), features);
            for (int i = 0; i < rows; i++)
                result.Set(start + i, logits.AsSpan(i * Config.Classes, Config.Classes), features.AsSpan(i * Config.FeatureCount, Config.FeatureCount));
            progress?.Report(start + rows);
        }
        return result;
    }

    private Plan PlanFor(int rows)
    {
        if (_plans.TryGetValue(rows, out var plan)) return plan;
        var b = new PlanBuilder(Kernels, Parameters) { Images = rows };
        var (features, logits) = Network.Record(b, b.Input("images", new Shape(rows, Config.ImageSize, Config.ImageSize, Config.InChannels)));
        b.Output("features", features);
        b.Output("logits", logits);
        return _plans[rows] = b.Build(_arena);
    }

    private delegate void RowReader(int index, Span<float> destination);
}
