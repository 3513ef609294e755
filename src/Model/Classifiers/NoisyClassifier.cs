using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// The classifier of noisy images of Dhariwal and Nichol (arXiv 2105.05233) with its weights on one device: the guide of classifier guidance. It is told the noise as a
/// denoiser is, so that it belongs to the denoiser's schedule. Classifying serves one caller at a time.
/// </summary>
public sealed class NoisyClassifier : IClassifierNetwork, IDisposable
{
    internal const string Architecture = "adm_classifier";

    // The least noise level that a continuous schedule is asked for.
    private const double LeastSigma = 0.002;

    // What says nothing of a classifier.
    private static readonly string[] OfDenoisers = ["prediction", "null_class", "untrained_labels", "pixel_offset"];

    private readonly bool _ownsParameters, _ownsKernels;
    private readonly ClassifierBatches _batches;
    private readonly Slot<ulong> _seed = new();
    private readonly Slot<uint> _step = new();

    /// <summary>A new classifier with randomly initialised weights, to be trained by a <see cref="ClassifierTrainer"/>.</summary>
    /// <param name="config">Architecture; its <see cref="AdmConfig.OutChannels"/> are the classes.</param>
    /// <param name="model">Settings of the model that it is to guide, of which it takes the noise levels.</param>
    /// <param name="classNames">Names of the classes; their indices are the labels.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="seed">Seed of the initial weights.</param>
    /// <exception cref="ArgumentException">The configuration is not possible, or there are not as many names as classes.</exception>
    public NoisyClassifier(EncoderUNetConfig config, DiffusionSettings model, IReadOnlyList<string> classNames, IKernels? kernels = null, ulong seed = 0)
        : this(new EncoderUNet(config), kernels ?? new CpuKernels(), SettingsOf(model, classNames, config), kernels is null) =>
        WeightInitialization.Apply(Parameters, Parameters.Kernels, seed);

    /// <summary>A classifier from a network and its weights.</summary>
    /// <param name="network">The network.</param>
    /// <param name="parameters">Its weights, which outlive the classifier.</param>
    public NoisyClassifier(EncoderUNet network, Parameters parameters)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(parameters);
        (Network, Parameters) = (network, parameters);
        var config = network.Config;
        _batches = new ClassifierBatches(nameof(NoisyClassifier), (config.ImageSize, config.InChannels, config.OutChannels, network.FeatureCount), parameters, RecordNoisy);
    }

    private NoisyClassifier(EncoderUNet network, IKernels kernels, DiffusionSettings? settings, bool ownsKernels)
        : this(network, new Parameters(kernels, nameof(NoisyClassifier)))
    {
        (Settings, _ownsParameters, _ownsKernels) = (settings, true, ownsKernels);
        network.Declare(Parameters);
    }

    /// <summary>The architecture.</summary>
    public EncoderUNet Network { get; }

    /// <summary>Noise levels and names of the classes; null for a published file, which says neither.</summary>
    public DiffusionSettings? Settings { get; }

    /// <summary>Names of the classes; numbers where nothing says them.</summary>
    public IReadOnlyList<string> ClassNames => Settings?.ClassNames ?? NetworkFamilies.Numbers(Classes);

    /// <inheritdoc/>
    public int Classes => Network.Config.OutChannels;

    /// <inheritdoc/>
    public int Channels => Network.Config.InChannels;

    /// <inheritdoc/>
    public int? ImageSize => Network.Config.ImageSize;

    /// <inheritdoc/>
    public bool TakesNoise => true;

    /// <inheritdoc/>
    public Parameters Parameters { get; }

    /// <summary>Reads a noisy classifier: one that <see cref="Save"/> wrote, or a published one.</summary>
    /// <param name="path">The file, in any container that <see cref="CheckpointFile.Open"/> reads.</param>
    /// <param name="kernels">The device, which is also the denoiser's; a CPU with one thread per processor when left out.</param>
    /// <exception cref="CheckpointException">The file is damaged or does not hold such a classifier; the message names file, key and values.</exception>
    public static NoisyClassifier Load(string path, IKernels? kernels = null)
    {
        using var file = CheckpointFile.Open(path);
        var published = ModelMetadata.IsIn(file) ? null : PublishedCheckpoint.Require(file, c => c is EncoderUNetConfig, "a noisy classifier");
        var (network, settings) = published is null ? Described(file) : (new EncoderUNet((EncoderUNetConfig)published.Config), null);
        var classifier = new NoisyClassifier(network, kernels ?? new CpuKernels(), settings, kernels is null);
        try
        {
            WeightFile.Read(file, published?.Prefix ?? "", classifier.Parameters, classifier.Parameters.Kernels, published?.Family.IsBuffer);
            return classifier;
        }
        catch
        {
            classifier.Dispose();
            throw;
        }
    }

    /// <summary>Loads the noisy classifier of MNIST digits that comes with the tool, made for the digits model.</summary>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <exception cref="FileNotFoundException">The file is neither beside the program nor in a folder above it.</exception>
    public static NoisyClassifier LoadShippedDigits(IKernels? kernels = null) => Load(ShippedFiles.Find("models/digits-noisy-classifier.safetensors"), kernels);

    /// <summary>Writes weights, architecture, noise levels and class names.</summary>
    /// <param name="path">Written beside and moved into place.</param>
    /// <param name="type">F32 or, half the size, F16.</param>
    /// <exception cref="InvalidOperationException">The noise levels and classes are not known: a network was given without them.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path, DType type = DType.F32)
    {
        using var use = Parameters.Guard.Read();
        SafetensorsWriter.Write(path, WeightFile.Entries(Parameters, Parameters.Kernels, "", type), Metadata(), checksums: true);
    }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => Network.Record(b, images, timesteps);

    /// <summary>
    /// Classifies images after noise was mixed into them, <c>alpha x + sigma noise</c>; smaller ones than the network's are padded with black. The result of an image
    /// depends on the seed and its position, and not on the others.
    /// </summary>
    /// <param name="images">Images; their labels are not looked at.</param>
    /// <param name="sigma">EDM noise level sigma / alpha, at least 0; at 0 the images are as they are, and the network is told its least noise.</param>
    /// <param name="seed">Seed of the noise.</param>
    /// <param name="progress">Told the number of images done.</param>
    /// <param name="cancellation">Checked between batches.</param>
    /// <exception cref="ArgumentException">The images have another number of channels, or are larger than the network's; or the noise levels are not known and sigma is not 0.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Classification Classify(ImageDataset images, double sigma = 0, ulong seed = 0, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        if (!(sigma >= 0) || double.IsInfinity(sigma)) throw new ArgumentOutOfRangeException(nameof(sigma), sigma, "A noise level is at least 0 and finite.");
        if (sigma > 0 && Settings is null) throw new ArgumentException("What a published classifier is told at a noise level is not in its file; classify without noise.");
        images = _batches.Fit(images);
        _seed.Value = seed;
        double alpha = 1 / Math.Sqrt(1 + sigma * sigma);
        float timestep = (float)TimestepAt(sigma);
        return _batches.Classify(images.Count, images.CopyRow, (plan, start, rows) =>
        {
            void Fill(string input, float value) => Parameters.Kernels.Upload([.. Enumerable.Repeat(value, rows)], plan.Input(input));
            Fill("alpha", (float)alpha);
            Fill("sigma", (float)(sigma * alpha));
            Fill("timesteps", timestep);
            Parameters.Kernels.Upload([.. Enumerable.Range(start, rows)], plan.Input("sample_index"));
        }, progress, cancellation);
    }

    /// <summary>What the network is told at an EDM noise level; its least time at 0.</summary>
    internal double TimestepAt(double sigma) => Settings?.NoiseSchedule() is { } schedule
        ? schedule.TimestepAt(Conversions.SigmaEdmToLogSnr(Math.Max(sigma, Math.Max(schedule.SigmaRange.Least, LeastSigma)))) : 0;

    /// <summary>The images in the network's size.</summary>
    /// <exception cref="ArgumentException">They do not fit.</exception>
    internal ImageDataset Fit(ImageDataset images) => _batches.Fit(images);

    /// <summary>Frees the weights, and the device if the classifier made it.</summary>
    /// <exception cref="InvalidOperationException">The classifier is in use.</exception>
    public void Dispose()
    {
        var kernels = Parameters.Kernels;
        if (_ownsParameters) Parameters.Dispose();
        _batches.Dispose();
        if (_ownsKernels) kernels.Dispose();
    }

    /// <summary>What <see cref="Save"/> writes beside the weights.</summary>
    internal Dictionary<string, string> Metadata()
    {
        if (Settings is null)
            throw new InvalidOperationException("A noisy classifier is saved with its noise levels and classes, and this one was made without them; keep the file that it came from.");
        var settings = JsonSerializer.SerializeToNode(Settings, ModelJson.Default.DiffusionSettings)!.AsObject();
        foreach (string name in OfDenoisers) settings.Remove(name);
        return new Dictionary<string, string>
        {
            [ModelMetadata.FormatKey] = ModelMetadata.Format,
            [ModelMetadata.ArchitectureKey] = Architecture,
            [ModelMetadata.NetworkKey] = ModelJson.Write(Network.Config),
            [ModelMetadata.SettingsKey] = settings.ToJsonString(ModelJson.Default.Options),
        };
    }

    private (Tensor Features, Tensor Logits) RecordNoisy(PlanBuilder b, Tensor images)
    {
        Tensor Row(string name) => b.Input(name, new Shape(images.Shape.Batch));
        var noisy = b.AddNoise(images, Row("alpha"), Row("sigma"), Row("sample_index"), _seed, _step, PredictionTarget.X0).Z;
        return Network.RecordFeatures(b, noisy, Row("timesteps"));
    }

    private static (EncoderUNet Network, DiffusionSettings Settings) Described(CheckpointFile file)
    {
        string architecture = ModelMetadata.ArchitectureOf(file);
        if (architecture != Architecture)
            throw new CheckpointException($"{file.Name}: holds a {CheckpointException.Quote(architecture)}, where a noisy classifier ('{Architecture}') is needed; train-classifier --noisy makes one.");
        var config = ModelMetadata.Parse<EncoderUNetConfig>(file, ModelMetadata.NetworkKey);
        var settings = ModelMetadata.Parse<DiffusionSettings>(file, ModelMetadata.SettingsKey);
        try
        {
            _ = settings.NoiseSchedule();
            return (new EncoderUNet(config), SettingsOf(settings, settings.ClassNames, config));
        }
        catch (Exception e) when (e is ArgumentException or ArithmeticException)
        {
            throw new CheckpointException($"{file.Name}: {e.Message}", e);
        }
    }

    private static DiffusionSettings SettingsOf(DiffusionSettings model, IReadOnlyList<string> classNames, EncoderUNetConfig config)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (classNames.Count != config.OutChannels || classNames.Any(name => name is null))
            throw new ArgumentException($"A classifier of {config.OutChannels} classes (out_channels) has as many names; got {classNames.Count}.");
        return model with { ClassNames = [.. classNames], NullClass = false, UntrainedLabels = [], Sampler = null, GuidanceScale = null, GuidedChannels = null, LatentScale = null };
    }
}
