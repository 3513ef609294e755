using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model;

/// <summary>A network with its weights on one device, and what it was trained for. Load one, or make one and train it.</summary>
public sealed class DiffusionModel : IDisposable
{
    private readonly bool _ownsKernels;

    /// <summary>A new model with randomly initialised weights.</summary>
    /// <param name="network">The architecture. A conditional network has one class more than <paramref name="settings"/> has names: the null class, last.</param>
    /// <param name="settings">Noise levels, prediction, classes.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="seed">Seed of the initial weights.</param>
    /// <exception cref="ArgumentException">Network and settings do not fit together.</exception>
    public DiffusionModel(INetworkConfig network, DiffusionSettings settings, IKernels? kernels = null, ulong seed = 0)
        : this(network, settings, kernels, seed, initialise: true) { }

    private DiffusionModel(INetworkConfig network, DiffusionSettings settings, IKernels? kernels, ulong seed, bool initialise)
    {
        int expected = settings.ClassNames.Length == 0 ? 0 : settings.ClassNames.Length + (settings.NullClass ? 1 : 0);
        if ((network.NumClasses ?? 0) != expected)
            throw new ArgumentException(
                $"A model of {settings.ClassNames.Length} classes needs a network with num_classes {(expected == 0 ? "absent" : expected)} ({(settings.NullClass ? "the null class included" : "without a null class")}); it has {network.NumClasses?.ToString() ?? "none"}.");
        if (network.OutChannels != network.InChannels && network.OutChannels != 2 * network.InChannels)
            throw new ArgumentException($"out_channels is in_channels ({network.InChannels}), or twice as many when the variance is learned; got {network.OutChannels}.");
        Network = network.Create();
        Settings = settings;
        _ownsKernels = kernels is null;
        Kernels = kernels ?? new CpuKernels();
        Parameters = new Parameters(Kernels);
        Network.Declare(Parameters);
        if (initialise) WeightInitialization.Apply(Parameters, Kernels, seed);
    }

    /// <summary>The architecture.</summary>
    public IDiffusionNetwork Network { get; }

    /// <summary>Noise levels, prediction, classes.</summary>
    public DiffusionSettings Settings { get; }

    /// <summary>The device.</summary>
    public IKernels Kernels { get; }

    /// <summary>The weights.</summary>
    public Parameters Parameters { get; }

    /// <summary>Of a published checkpoint, what neither the file nor its user says of the network, and what it was taken to be.</summary>
    public IReadOnlyList<Assumption> Assumptions { get; private init; } = [];

    /// <summary>Whether the network takes labels.</summary>
    public bool IsConditional => Network.Config.NumClasses is not null;

    /// <summary>Label of the null class, the network's last; -1 if it has none.</summary>
    public int NullLabel => Settings.NullClass && Network.Config.NumClasses is { } labels ? labels - 1 : -1;

    /// <summary>Whether the network also predicts the variance.</summary>
    public bool LearnsVariance => Network.Config.OutChannels == 2 * Network.Config.InChannels;

    /// <summary>Reads a model: a checkpoint that this library wrote, or a published one of a known architecture.</summary>
    /// <param name="path">The file, in any container that <see cref="CheckpointFile.Open"/> reads.</param>
    /// <param name="kernels">The device; a CPU with one thread per processor when left out.</param>
    /// <param name="weights">Which weights of the file.</param>
    /// <param name="settings">Of a published checkpoint, what is known of its network that the file does not say.</param>
    /// <exception cref="CheckpointException">
    /// The file is damaged or does not hold such a model, or what is said of its network contradicts itself; the message names file, key and values.
    /// </exception>
    public static DiffusionModel Load(string path, IKernels? kernels = null, WeightChoice weights = WeightChoice.Average, PublishedSettings? settings = null)
    {
        using var file = CheckpointFile.Open(path);
        bool own = ModelMetadata.IsIn(file);
        if (own && settings is not null) throw new CheckpointException($"{path}: was written by this library and says all of its network; nothing can be added to it.");
        var published = own ? null : weights == WeightChoice.Raw ? PublishedCheckpoint.RequireRaw(file, settings) : PublishedCheckpoint.Require(file, settings);
        var (network, diffusion) = published is null ? ModelMetadata.Read(file) : published.DiffusionModel(path);
        DiffusionModel model;
        try
        {
            model = new DiffusionModel(network, diffusion, kernels, 0, initialise: false) { Assumptions = published?.Assumptions ?? [] };
        }
        catch (Exception e) when (e is ArgumentException or OverflowException)
        {
            throw new CheckpointException($"{path}: {e.Message}", e);
        }
        try
        {
            if (published is null) model.LoadWeights(file, weights);
            else WeightFile.Read(file, published.Prefix, model.Parameters, model.Kernels, published.Family.IsBuffer);
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
        bool hasRaw = file.Metadata.GetValueOrDefault(ModelMetadata.WeightsKey) != ModelMetadata.AveragedWeights;
        if (weights == WeightChoice.Raw && !hasRaw)
            throw new CheckpointException($"{file.Name}: holds averaged weights only; the raw ones are in the training checkpoint.");
        WeightFile.Read(file, weights == WeightChoice.Average && hasAverage ? WeightFile.AveragePrefix : "", Parameters, Kernels);
    }

    /// <summary>Writes the weights as the model to share: one tensor per parameter under its published name, and the settings as metadata.</summary>
    /// <param name="path">Written beside and moved into place.</param>
    /// <param name="type">F32 or, half the size, F16.</param>
    public void Save(string path, DType type = DType.F32) =>
        SafetensorsWriter.Write(path, WeightFile.Entries(Parameters, Kernels, "", type), ModelMetadata.Write(Network.Config, Settings));

    /// <inheritdoc/>
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
