using System.Collections.Immutable;
using System.Text.Json;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// A <see cref="ResNet"/> with its weights on one device, as EluCD guides by it: ReLUs made smooth by softplus, images as the denoiser makes them. The released code
/// neither normalises nor resizes; both are options.
/// </summary>
public sealed class ResNetClassifier : IClassifierNetwork, IDisposable
{
    private const string ClassNamesKey = "class_names";

    private readonly bool _ownsParameters;
    private readonly ResNetGuideOptions _options;

    /// <summary>A classifier from a network and its weights.</summary>
    /// <param name="network">The network.</param>
    /// <param name="parameters">Its weights, which outlive the classifier.</param>
    /// <param name="options">Smoothness, normalisation.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public ResNetClassifier(ResNet network, Parameters parameters, ResNetGuideOptions? options = null) : this(network, parameters, options, ownsParameters: false) { }

    /// <summary>A new classifier with randomly initialised weights, to be trained by <see cref="ClassifierTrainer"/>.</summary>
    /// <param name="config">The architecture; without zero-padded shortcuts, whose fixed weights training would change.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <param name="seed">Seed of the initial weights.</param>
    /// <param name="classNames">Names of the classes, which the file keeps; their numbers when left out.</param>
    /// <exception cref="ArgumentException">The configuration is not possible; the message says why.</exception>
    public ResNetClassifier(ResNetConfig config, IKernels kernels, ulong seed = 0, IReadOnlyList<string>? classNames = null)
        : this(new ResNet(config), new Parameters(kernels, nameof(ResNetClassifier)), null, ownsParameters: true)
    {
        if (classNames is not null) ClassNames = classNames.Count == config.Classes ? [.. classNames] : throw new ArgumentException($"A ResNet of {config.Classes} classes has as many names; got {classNames.Count}.");
        if (config.Shortcut == ResNetShortcut.ZeroPadded) throw new ArgumentException("A ResNet with zero-padded shortcuts is not trained here; take projections.");
        Network.Declare(Parameters);
        WeightInitialization.Apply(Parameters, kernels, seed);
    }

    private ResNetClassifier(ResNet network, Parameters parameters, ResNetGuideOptions? options, bool ownsParameters)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(parameters);
        (Network, Parameters, _options, _ownsParameters) = (network, parameters, options ?? new ResNetGuideOptions(), ownsParameters);
        _options.Require(network.Config.InChannels);
        ClassNames = NetworkFamilies.Numbers(Classes);
    }

    /// <summary>The architecture.</summary>
    public ResNet Network { get; }

    /// <summary>Names of the classes; their numbers where the file has none.</summary>
    public ImmutableArray<string> ClassNames { get; private init; }

    /// <inheritdoc/>
    public int Classes => Network.Config.Classes;

    /// <inheritdoc/>
    public int Channels => Network.Config.InChannels;

    /// <inheritdoc/>
    public int? ImageSize => null;

    /// <inheritdoc/>
    public bool TakesNoise => false;

    /// <inheritdoc/>
    public Parameters Parameters { get; }

    /// <summary>Reads a published ResNet.</summary>
    /// <param name="path">The file, in any container that <see cref="CheckpointFile.Open"/> reads.</param>
    /// <param name="kernels">The device, which is also the denoiser's.</param>
    /// <param name="options">Smoothness, normalisation.</param>
    /// <exception cref="CheckpointException">The file is damaged or does not hold a ResNet; the message names file, key and values.</exception>
    public static ResNetClassifier Load(string path, IKernels kernels, ResNetGuideOptions? options = null) => Read(path, kernels, (_, _) => options);

    /// <summary>Reads a ResNet that sees images as it was trained to: published ones of ImageNet resized to 224 x 224 and normalised, of CIFAR-10 normalised, this tool's as they are.</summary>
    /// <param name="path">The file.</param>
    /// <param name="kernels">The device.</param>
    /// <exception cref="CheckpointException">The file is damaged or does not hold a ResNet; the message names file, key and values.</exception>
    public static ResNetClassifier LoadAsTrained(string path, IKernels kernels) => Read(path, kernels, ResNetGuideOptions.AsTrained);

    private static ResNetClassifier Read(string path, IKernels kernels, Func<CheckpointFile, ResNetConfig, ResNetGuideOptions?> options)
    {
        using var file = CheckpointFile.Open(path);
        var published = PublishedCheckpoint.Require(file, c => c is ResNetConfig, "a ResNet classifier");
        var network = new ResNet((ResNetConfig)published.Config);
        var parameters = new Parameters(kernels, nameof(ResNetClassifier));
        try
        {
            network.Declare(parameters);
            network.Read(file, published.Prefix, parameters, kernels);
            return new ResNetClassifier(network, parameters, options(file, network.Config), ownsParameters: true) { ClassNames = NamesIn(file, network.Config.Classes) };
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
    }

    /// <summary>Writes the weights under the published keys, so that <see cref="Load"/> and others read them.</summary>
    /// <param name="path">Written beside and moved into place.</param>
    /// <param name="type">F32 or, half the size, F16.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path, DType type = DType.F32)
    {
        using var use = Parameters.Guard.Read();
        SafetensorsWriter.Write(path, Network.Entries(Parameters, Parameters.Kernels, type), new Dictionary<string, string>
        {
            ["format"] = "pt", [ClassNamesKey] = ModelJson.Write(ClassNames.ToArray()), [ResNetGuideOptions.NormalisationKey] = ResNetGuideOptions.NoNormalisation,
        }, checksums: true);
    }

    /// <summary>Classifies images. The result of an image does not depend on the others.</summary>
    /// <param name="images">Square images; their labels are not looked at.</param>
    /// <param name="progress">Told the number of images done.</param>
    /// <param name="cancellation">Checked between batches.</param>
    /// <exception cref="ArgumentException">The images have another number of channels, or are not square.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Classification Classify(ImageDataset images, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Channels != Channels || images.Height != images.Width)
            throw new ArgumentException($"The ResNet takes square images of {Channels} channels; these are {images.Height}x{images.Width} of {images.Channels}.");
        using var batches = new ClassifierBatches(
            nameof(ResNetClassifier), (images.Height, Channels, Classes, Network.Config.FeatureCount), Parameters,
            (b, x) => Network.RecordFeatures(b, _options.Normalised(b, Resized(b, x)), _options.SoftplusBeta));
        return batches.Classify(images.Count, images.CopyRow, null, progress, cancellation);
    }

    /// <inheritdoc/>
    public Tensor RecordLogits(PlanBuilder b, Tensor images, Tensor timesteps) => Network.Record(b, _options.Normalised(b, Resized(b, images)), _options.SoftplusBeta);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_ownsParameters) Parameters.Dispose();
    }

    // Of files of others, the key means whatever they please.
    private static ImmutableArray<string> NamesIn(CheckpointFile file, int classes)
    {
        try
        {
            if (file.Metadata.TryGetValue(ClassNamesKey, out string? text) && ModelJson.Read(text, typeof(string[])) is string[] names && names.Length == classes && names.All(n => n is not null))
                return [.. names];
        }
        catch (JsonException)
        {
        }
        return NetworkFamilies.Numbers(classes);
    }

    private Tensor Resized(PlanBuilder b, Tensor images) => _options.ResizeTo is { } size && (images.Shape[1] != size || images.Shape[2] != size)
        ? b.Resize(images, ResampleTable.Linear(images.Shape[1], size), ResampleTable.Linear(images.Shape[2], size)) : images;
}
