using System.Collections.Immutable;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model;

/// <summary>
/// A network with its weights on one device, and what it was trained for. Load one, or make one and train it. Any number of threads may sample from one
/// model at once, each by a sampler of its own: they share the weights and take turns on the device. Training, loading weights and disposing need the
/// model for themselves, and are an <see cref="InvalidOperationException"/> while it is sampled from.
/// </summary>
public sealed class DiffusionModel : IDisposable
{
    private readonly bool _ownsKernels;
    private bool _isNew;

    /// <summary>A new model with randomly initialised weights.</summary>
    /// <param name="network">The architecture, one of this library's or your own. A conditional network has one class more than <paramref name="settings"/> has names: the null class, last.</param>
    /// <param name="settings">Noise levels, prediction, classes.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="seed">Seed of the initial weights.</param>
    /// <param name="logger">Told what the model, its samplers and its trainers do.</param>
    /// <exception cref="ArgumentException">Network and settings do not fit together, or a network of your own has a configuration that JSON cannot hold.</exception>
    public DiffusionModel(INetworkConfig network, DiffusionSettings settings, IKernels? kernels = null, ulong seed = 0, ILogger? logger = null)
        : this(network, settings, kernels, seed, logger, initialise: true) { }

    private DiffusionModel(INetworkConfig network, DiffusionSettings settings, IKernels? kernels, ulong seed, ILogger? logger, bool initialise)
    {
        Logger = logger ?? NullLogger.Instance;
        settings.Validate(network.ImageSize);
        int expected = settings.ClassNames.Length == 0 ? 0 : settings.ClassNames.Length + (settings.NullClass ? 1 : 0);
        if ((network.NumClasses ?? 0) != expected)
            throw new ArgumentException(
                $"A model of {settings.ClassNames.Length} classes needs a network with num_classes {(expected == 0 ? "absent" : expected)} ({(settings.NullClass ? "the null class included" : "without a null class")}); it has {network.NumClasses?.ToString() ?? "none"}.");
        if (network.OutChannels != network.InChannels && network.OutChannels != 2 * network.InChannels)
            throw new ArgumentException($"out_channels is in_channels ({network.InChannels}), or twice as many when the variance is learned; got {network.OutChannels}.");
        if (settings.UntrainedLabels.Any(label => label < 0 || label >= expected))
            throw new ArgumentException($"The untrained labels are among the network's 0 to {expected - 1}; got {string.Join(", ", settings.UntrainedLabels)}.");
        ModelMetadata.RequireSavable(network);
        (Config, Network, Settings, _isNew) = (network, network.Create(), settings, initialise);
        var made = Network.Config;
        if ((made.ImageSize, made.InChannels, made.OutChannels, made.NumClasses) != (network.ImageSize, network.InChannels, network.OutChannels, network.NumClasses))
            throw new ArgumentException($"The network that {network.GetType().Name}.Create makes has another size, other channels or classes than the configuration it was made from.");
        _ownsKernels = kernels is null;
        Kernels = kernels ?? new CpuKernels();
        Parameters = new Parameters(Kernels, nameof(DiffusionModel));
        Network.Declare(Parameters);
        if (Parameters.Items.Count == 0)
        {
            if (_ownsKernels) Kernels.Dispose();
            throw new ArgumentException($"{Network.GetType().Name} has no parameters: there is nothing to train or save. Let its Declare add at least one, if only a vector of one element.");
        }
        if (initialise) WeightInitialization.Apply(Parameters, Kernels, seed);
    }

    /// <summary>The architecture.</summary>
    public IDiffusionNetwork Network { get; }

    /// <summary>Noise levels, prediction, classes; and, of a trained model, which labels were never trained.</summary>
    public DiffusionSettings Settings { get; private set; }

    /// <summary>The device.</summary>
    public IKernels Kernels { get; }

    /// <summary>Where the model, its samplers and its trainers log; nowhere by default.</summary>
    public ILogger Logger { get; }

    /// <summary>The weights.</summary>
    public Parameters Parameters { get; }

    /// <summary>Of a published checkpoint, what neither the file nor its user says of the network, and what it was taken to be.</summary>
    public IReadOnlyList<Assumption> Assumptions { get; private init; } = [];

    /// <summary>Of a published checkpoint, what the settings beside it say and is not followed, in words.</summary>
    public IReadOnlyList<string> Remarks { get; private init; } = [];

    /// <summary>Folder of the autoencoder that came with a model of latents, in the same pipeline; null where none did.</summary>
    public string? AutoencoderFolder { get; private init; }

    /// <summary>Whether the network takes labels.</summary>
    public bool IsConditional => Network.Config.NumClasses is not null;

    /// <summary>Label of the null class, the network's last; -1 if it has none, or one that no training has shown it.</summary>
    public int NullLabel => IsConditional && Settings.NullClass && Settings.IsTrained(Settings.ClassNames.Length) ? Settings.ClassNames.Length : -1;

    /// <summary>Whether the network also predicts the variance.</summary>
    public bool LearnsVariance => Network.Config.OutChannels == 2 * Network.Config.InChannels;

    /// <summary>Reads a model: a checkpoint that this library wrote, or a published one of a known architecture.</summary>
    /// <param name="path">
    /// The file, in any container that <see cref="CheckpointFile.Open"/> reads. What a relative path does not name from the current folder is looked for beside the program, where
    /// packages put their files.
    /// </param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="weights">Which weights of the file.</param>
    /// <param name="settings">Of a published checkpoint, what is known of its network that the file does not say.</param>
    /// <param name="network">For a network of the caller's own: what the model was made from. Left out for this library's, which the file describes.</param>
    /// <param name="logger">Told what the model, its samplers and its trainers do.</param>
    /// <exception cref="CheckpointException">
    /// The file is damaged or does not hold such a model, or what is said of its network contradicts itself; the message names file, key and values.
    /// </exception>
    public static DiffusionModel Load(
        string path, IKernels? kernels = null, WeightChoice weights = WeightChoice.Average, PublishedSettings? settings = null, INetworkConfig? network = null, ILogger? logger = null)
    {
        long began = Stopwatch.GetTimestamp();
        path = ShippedFiles.BesideProgram(path);
        using var file = CheckpointFile.Open(path);
        bool own = ModelMetadata.IsIn(file);
        if (own && settings is not null) throw new CheckpointException($"{path}: was written by this library and says all of its network; nothing can be added to it.");
        var published = own ? null : weights == WeightChoice.Raw ? PublishedCheckpoint.RequireRaw(file, settings) : PublishedCheckpoint.Require(file, settings);
        if (published is not null && network is not null)
            throw new CheckpointException($"{path}: is a published checkpoint of the architecture {published.Architecture}, which is known; leave its network out.");
        var (config, diffusion) = published is null ? ModelMetadata.Read(file, network) : published.DiffusionModel(path);
        (published?.Weights as ComposedCheckpoint)?.RequireEqual();
        DiffusionModel model;
        try
        {
            model = new DiffusionModel(config, diffusion, kernels, 0, logger, initialise: false) { Assumptions = published?.Assumptions ?? [], Remarks = published?.Remarks ?? [], AutoencoderFolder = published?.Autoencoder };
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new CheckpointException($"{path}: {e.Message}", e);
        }
        try
        {
            if (published is null) model.LoadWeights(file, weights);
            else WeightFile.Read(published.Weights, published.Prefix, model.Parameters, model.Kernels, published.Family.IsBuffer);
            model.LogLoading(path, Stopwatch.GetElapsedTime(began).TotalSeconds);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Replaces the weights by those of a file with the same parameters.</summary>
    /// <exception cref="CheckpointException">A key is missing, superfluous or of another shape, or the weights asked for are not in the file.</exception>
    public void LoadWeights(CheckpointFile file, WeightChoice weights = WeightChoice.Average)
    {
        bool hasAverage = file.Tensors.Any(t => t.Name.StartsWith(WeightFile.AveragePrefix, StringComparison.Ordinal));
        bool hasRaw = !ModelMetadata.IsIn(file) || file.Metadata.GetValueOrDefault(ModelMetadata.WeightsKey) != ModelMetadata.AveragedWeights;
        if (weights == WeightChoice.Raw && !hasRaw)
            throw new CheckpointException($"{file.Name}: holds averaged weights only; the raw ones are in the training checkpoint.");
        ImmutableArray<int> untrained = ModelMetadata.IsIn(file) ? ModelMetadata.Parse<DiffusionSettings>(file, ModelMetadata.SettingsKey).UntrainedLabels : [];
        WeightFile.Read(file, weights == WeightChoice.Average && hasAverage ? WeightFile.AveragePrefix : "", Parameters, Kernels);
        (Settings, _isNew) = (Settings with { UntrainedLabels = untrained }, false);
    }

    /// <summary>Writes the weights as the model to share: one tensor per parameter under its published name, and the settings as metadata.</summary>
    /// <param name="path">Written beside and moved into place.</param>
    /// <param name="type">F32 or, half the size, F16.</param>
    public void Save(string path, DType type = DType.F32)
    {
        using var use = Parameters.Guard.Read();
        SafetensorsWriter.Write(path, WeightFile.Entries(Parameters, Kernels, "", type), ModelMetadata.Write(Config, Settings), checksums: true);
    }

    private void LogLoading(string path, double seconds)
    {
        LogEvents.ModelLoaded(Logger, path, Network.GetType().Name, Parameters.Count, Kernels.DeviceName, seconds);
        foreach (var (setting, value, published) in Assumptions)
            LogEvents.Assumed(Logger, path, setting, value ?? "nothing", published is null ? "a guess" : $"as in {published}");
    }

    /// <summary>What the network was made from.</summary>
    internal INetworkConfig Config { get; }

    /// <summary>Notes which labels a training shows; those that none has shown stay what the seed made of them.</summary>
    internal void NoteTraining(HashSet<int> shown, double nullProbability)
    {
        IEnumerable<int> untrained = _isNew ? Enumerable.Range(0, Config.NumClasses ?? 0) : Settings.UntrainedLabels;
        Settings = Settings with
        {
            UntrainedLabels = [.. untrained.Where(label => !shown.Contains(label))], NullProbability = Settings.ClassNames.Length > 0 ? nullProbability : null,
        };
        _isNew = false;
    }

    /// <summary>Checks what is asked of a sample: its label, -1 for none, and its guidance scale.</summary>
    /// <exception cref="ArgumentException">The model does not know them, or was not trained for them.</exception>
    internal void RequireKnown(int label, double scale)
    {
        int classes = Settings.ClassNames.Length;
        if (label < -1 || label >= classes)
            throw new ArgumentException(classes == 0
                ? $"The model is unconditional: its label is -1; got {label}."
                : $"Label {label} is not one of the model's classes 0 to {classes - 1} (or -1 for no condition).");
        if (!double.IsFinite(scale)) throw new ArgumentException($"A guidance scale is a finite number; got {scale}.");
        if (label >= 0 && !Settings.IsTrained(label))
            throw new ArgumentException(Settings.TrainedClasses.Any()
                ? $"Class {label} ('{Settings.ClassNames[label]}') was never trained: the training had no image of it. Ask for another class."
                : $"{Settings.WhyUnguided} A sample has the label -1; got {label}.");
        if (label < 0 && scale != 1) throw new ArgumentException($"A sample without condition has nothing to be guided by: its scale is 1 (strength 0); got {scale}.");
        if (classes > 0 && NullLabel < 0 && (label < 0 || scale != 1))
            throw new ArgumentException(
                $"{Settings.WhyUnguided} So a sample has a label and is not guided without a classifier: its scale is 1 (strength 0); got label {label}, scale {scale}.");
    }

    /// <summary>Frees the weights, and the device if the model made it.</summary>
    /// <exception cref="InvalidOperationException">The model is in use.</exception>
    public void Dispose()
    {
        Parameters.Dispose();
        if (_ownsKernels) Kernels.Dispose();
    }
}

/// <summary>Which of a checkpoint's weights to use.</summary>
public enum WeightChoice
{
    /// <summary>The exponential moving average when the file has one, as sampling does.</summary>
    Average,

    /// <summary>The weights as the optimiser left them.</summary>
    Raw,
}
