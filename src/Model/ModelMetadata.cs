using System.Text.Json;
using System.Text.Json.Serialization;
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

    /// <summary>Present, with the value <see cref="AveragedWeights"/>, where the tensors under the published names are a moving average.</summary>
    public const string WeightsKey = "weights";
    public const string AveragedWeights = "average";

    private static readonly Dictionary<string, Type> Architectures = new() { ["adm_unet"] = typeof(UNetConfig), ["dit"] = typeof(DitConfig), ["edm_dhariwal"] = typeof(DhariwalUNetConfig), ["edm_song"] = typeof(SongUNetConfig) };

    public static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        MaxDepth = 8,
        NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals,
        WriteIndented = false,
    };

    public static Dictionary<string, string> Write(INetworkConfig network, DiffusionSettings settings) => new()
    {
        [FormatKey] = Format,
        [ArchitectureKey] = Architectures.First(a => a.Value == network.GetType()).Key,
        [NetworkKey] = JsonSerializer.Serialize(network, network.GetType(), Json),
        [SettingsKey] = JsonSerializer.Serialize(settings, Json),
    };

    public static (INetworkConfig Network, DiffusionSettings Settings) Read(CheckpointFile file)
    {
        string architecture = Require(file, ArchitectureKey);
        if (!Architectures.TryGetValue(architecture, out var config))
            throw new CheckpointException($"{file.Name}: holds a '{architecture}', not a diffusion model ({string.Join(", ", Architectures.Keys)}).");
        return ((INetworkConfig)Parse(file, NetworkKey, config), Parse<DiffusionSettings>(file, SettingsKey));
    }

    public static T Parse<T>(CheckpointFile file, string key) => (T)Parse(file, key, typeof(T));

    private static object Parse(CheckpointFile file, string key, Type type)
    {
        string text = Require(file, key);
        try
        {
            return JsonSerializer.Deserialize(text, type, Json) ?? throw new JsonException("the value is null");
        }
        catch (Exception e) when (e is JsonException or NotSupportedException or ArgumentException)
        {
            throw new CheckpointException($"{file.Name}: metadata '{key}' is not usable: {e.Message}", e);
        }
    }

    /// <summary>Whether an architecture is that of a diffusion model.</summary>
    public static bool IsNetwork(string architecture) => Architectures.ContainsKey(architecture);

    /// <summary>Whether a file's metadata are this library's; others use the same keys for their own ends.</summary>
    public static bool IsIn(CheckpointFile file) => file.Metadata.GetValueOrDefault(FormatKey) == Format && file.Metadata.ContainsKey(ArchitectureKey);

    private static string Require(CheckpointFile file, string key) => file.Metadata.TryGetValue(key, out string? value)
        ? value
        : throw new CheckpointException($"{file.Name}: has no metadata '{key}', so it was not written by this tool; its architecture is unknown.");
}
