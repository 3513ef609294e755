using System.Text.Json;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model;

/// <summary>The text that checkpoints carry: architecture and settings as JSON, the former under the published argument names.</summary>
internal static class ModelMetadata
{
    public const string FormatKey = "format";
    public const string Format = "nativediffusion";
    public const string ArchitectureKey = "architecture";
    public const string NetworkKey = "config";
    public const string SettingsKey = "diffusion";

    /// <summary>The architecture of networks that are not this library's; <see cref="NetworkTypeKey"/> then has the name of the configuration's type.</summary>
    public const string OwnArchitecture = "custom";
    public const string NetworkTypeKey = "network_type";

    /// <summary>Present, with the value <see cref="AveragedWeights"/>, where the tensors under the published names are a moving average.</summary>
    public const string WeightsKey = "weights";
    public const string AveragedWeights = "average";

    private static readonly Dictionary<string, Type> Architectures = new()
    {
        ["adm_unet"] = typeof(UNetConfig), ["dit"] = typeof(DitConfig), ["unet2d"] = typeof(UNet2DConfig), ["edm_dhariwal"] = typeof(DhariwalUNetConfig), ["edm_song"] = typeof(SongUNetConfig),
        ["tutorial_mlp"] = typeof(TutorialMlpConfig),
    };

    public static Dictionary<string, string> Write(INetworkConfig network, DiffusionSettings settings)
    {
        string architecture = ArchitectureOf(network);
        var metadata = new Dictionary<string, string>
        {
            [FormatKey] = Format,
            [ArchitectureKey] = architecture,
            [NetworkKey] = ModelJson.Write(network),
            [SettingsKey] = ModelJson.Write(settings),
        };
        if (architecture == OwnArchitecture) metadata[NetworkTypeKey] = network.GetType().ToString();
        return metadata;
    }

    /// <summary>Network and settings of a file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="given">The network that the caller has for it; needed where it is the caller's own.</param>
    /// <exception cref="CheckpointException">The file does not say what is needed, or speaks of another network than the one given.</exception>
    public static (INetworkConfig Network, DiffusionSettings Settings) Read(CheckpointFile file, INetworkConfig? given = null)
    {
        string architecture = ArchitectureOf(file);
        if (!IsNetwork(architecture))
            throw new CheckpointException($"{file.Name}: holds a {CheckpointException.Quote(architecture)}, not a diffusion model ({string.Join(", ", Architectures.Keys)}).");
        if (given is null && architecture == OwnArchitecture)
            throw new CheckpointException(
                $"{file.Name}: its network is none of this library's, but {OwnType(file)} of the program that wrote it; that program loads it, by DiffusionModel.Load with the network given.");
        var network = architecture == OwnArchitecture ? given! : (INetworkConfig)Parse(file, NetworkKey, Architectures[architecture]);
        string written = architecture == OwnArchitecture ? Require(file, NetworkKey) : ModelJson.Write(network);
        if (given is not null && (ArchitectureOf(given) != architecture || ModelJson.Write(given) != written))
            throw new CheckpointException(
                $"{file.Name}: was written with the network {(architecture == OwnArchitecture ? OwnType(file) : architecture)} {CheckpointException.Quote(written)}, and the one given is {given.GetType()} {CheckpointException.Quote(ModelJson.Write(given))}.");
        var settings = Parse<DiffusionSettings>(file, SettingsKey);
        try
        {
            settings.Validate(network.ImageSize);
        }
        catch (ArgumentException e)
        {
            throw new CheckpointException($"{file.Name}: metadata '{SettingsKey}': {e.Message}", e);
        }
        return (given ?? network, settings);
    }

    /// <summary>Refuses a network of the caller's own that could not be saved after its training.</summary>
    /// <exception cref="ArgumentException">Its configuration is nothing that JSON can hold.</exception>
    public static void RequireSavable(INetworkConfig network)
    {
        if (ArchitectureOf(network) != OwnArchitecture) return;
        try
        {
            _ = ModelJson.Write(network);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or InvalidOperationException)
        {
            throw new ArgumentException(
                $"A model of {network.GetType()} could not be saved, for its public properties cannot be written as JSON: {e.Message} Keep numbers and texts in them, and mark others [JsonIgnore].", e);
        }
    }

    public static T Parse<T>(CheckpointFile file, string key) => (T)Parse(file, key, typeof(T));

    private static object Parse(CheckpointFile file, string key, Type type)
    {
        string text = Require(file, key);
        try
        {
            return ModelJson.Read(text, type);
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or ArgumentException)
        {
            throw new CheckpointException($"{file.Name}: metadata '{key}' is not usable: {e.Message}", e);
        }
    }

    /// <summary>Whether an architecture is that of a diffusion model.</summary>
    public static bool IsNetwork(string architecture) => architecture == OwnArchitecture || Architectures.ContainsKey(architecture);

    /// <summary>Whether a file's metadata are this library's; others use the same keys for their own ends.</summary>
    public static bool IsIn(CheckpointFile file) => file.Metadata.GetValueOrDefault(FormatKey) == Format && file.Metadata.ContainsKey(ArchitectureKey);

    /// <summary>The architecture of a file of this library's.</summary>
    /// <exception cref="CheckpointException">It is none: others use the same keys for their own ends.</exception>
    public static string ArchitectureOf(CheckpointFile file) => IsIn(file)
        ? file.Metadata[ArchitectureKey]
        : throw new CheckpointException($"{file.Name}: was not written by this tool, for its metadata have no '{FormatKey}' of '{Format}' and '{ArchitectureKey}'; its architecture is unknown.");

    private static string ArchitectureOf(INetworkConfig network) => Architectures.FirstOrDefault(a => a.Value == network.GetType()).Key ?? OwnArchitecture;

    private static string OwnType(CheckpointFile file) => CheckpointException.Quote(file.Metadata.GetValueOrDefault(NetworkTypeKey) ?? OwnArchitecture);

    private static string Require(CheckpointFile file, string key) => file.Metadata.TryGetValue(key, out string? value)
        ? value
        : throw new CheckpointException($"{file.Name}: has no metadata '{key}', so it was not written by this tool; its architecture is unknown.");
}
