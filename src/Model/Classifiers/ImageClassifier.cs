using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>A small GroupNorm classifier of clean images with its weights on one device: the judge of generated images. It serves one caller at a time.</summary>
public sealed class ImageClassifier : IClassifierNetwork, IDisposable
{
    internal const string Architecture = "groupnorm_classifier";

    private readonly bool _ownsKernels;
    private readonly ClassifierBatches _batches;

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
        Parameters = new Parameters(Kernels, nameof(ImageClassifier));
        Network.Declare(Parameters);
        _batches = new ClassifierBatches(nameof(ImageClassifier), (config.ImageSize, config.InChannels, config.Classes, config.FeatureCount), Parameters, Network.Record);
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
        string found = ModelMetadata.ArchitectureOf(file);
        if (found != Architecture) throw new CheckpointException($"{path}: holds a {CheckpointException.Quote(found)}, not a classifier of clean images ('{Architecture}').");
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
            [ModelMetadata.FormatKey] = ModelMetadata.Format,
            [ModelMetadata.ArchitectureKey] = Architecture,
            [ModelMetadata.NetworkKey] = ModelJson.Write(Config),
        }, checksums: true);
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
        return _batches.Classify(images.Count, images.CopyRow, null, progress, cancellation);
    }

    /// <summary>Classifies images given as floats.</summary>
    /// <param name="pixels">[N, S, S, C] in [-1, 1], S and C those of the network.</param>
    /// <exception cref="ArgumentException">The length is not that of a whole number of images.</exception>
    public Classification Classify(ReadOnlyMemory<float> pixels) => _batches.Classify(pixels);

    /// <summary>The images in the network's size.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    internal ImageDataset Fit(ImageDataset images) => _batches.Fit(images);

    /// <summary>Frees the weights, and the device if the classifier made it.</summary>
    /// <exception cref="InvalidOperationException">The classifier is in use.</exception>
    public void Dispose()
    {
        Parameters.Dispose();
        _batches.Dispose();
        if (_ownsKernels) Kernels.Dispose();
    }
}
