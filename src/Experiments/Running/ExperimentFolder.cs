using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Experiments.Running;

/// <summary>What all points of a folder share: a point of other settings is not one of the same experiment.</summary>
internal sealed record ExperimentSettings
{
    public required string Experiment { get; init; }

    public required int Samples { get; init; }

    public required ulong Seed { get; init; }

    /// <summary>The files that the command line named, as options; nothing where all come with the tool.</summary>
    public string Options { get; set; } = "";

    /// <summary>SHA-256 of each file, by its role.</summary>
    public required IReadOnlyDictionary<string, string> Files { get; init; }

    /// <summary>Version of the program.</summary>
    public required string Version { get; init; }

    /// <summary>Version of .NET.</summary>
    public required string Runtime { get; init; }

    /// <summary>Instruction set or device: it decides the last bits.</summary>
    public required string Device { get; init; }
}

/// <summary>Where an experiment keeps its settings, finished points, pictures and report.</summary>
internal sealed class ExperimentFolder
{
    private const string SettingsFile = "experiment.json", PointsFolder = "points";

    private readonly string _path;

    /// <summary>Opens a folder of an experiment, or makes it.</summary>
    /// <exception cref="ArgumentException">It holds points of another experiment, or of other settings; the message says which.</exception>
    /// <exception cref="InvalidDataException">Its file of settings is damaged.</exception>
    public ExperimentFolder(string path, ExperimentSettings settings)
    {
        _path = path;
        Directory.CreateDirectory(Path.Combine(path, PointsFolder));
        string file = Path.Combine(path, SettingsFile);
        if (File.Exists(file)) RequireSame(Read(file, ExperimentJson.Default.ExperimentSettings), settings);
        else Write(file, settings, ExperimentJson.Default.ExperimentSettings);
    }

    /// <summary>The finished point, or null; one that an older version measured less of is not finished.</summary>
    /// <exception cref="InvalidDataException">Its file is damaged.</exception>
    public PointResult? Find(string key) => File.Exists(PathOf(key, "json")) && File.Exists(PathOf(key, "png")) && Read(PathOf(key, "json"), ExperimentJson.Default.PointResult) is { } point
        && Judge.Metrics.All(m => point.Metrics.ContainsKey(m.Key)) ? point : null;

    /// <summary>Keeps a finished point and a picture of it.</summary>
    public void Keep(PointResult result, Image picture)
    {
        PngWriter.Write(PathOf(result.Key, "png"), picture);
        Write(PathOf(result.Key, "json"), result, ExperimentJson.Default.PointResult);
    }

    /// <summary>The bytes of a point's picture.</summary>
    public byte[] Picture(string key) => File.ReadAllBytes(PathOf(key, "png"));

    /// <summary>Writes a file beside the points.</summary>
    public string Write(string name, string text)
    {
        string path = Path.Combine(_path, name);
        WriteText(path, text);
        return path;
    }

    /// <summary>Writes a picture beside the points.</summary>
    public void Write(string name, Image picture) => PngWriter.Write(Path.Combine(_path, name), picture);

    private string PathOf(string key, string ending) => Path.Combine(_path, PointsFolder, $"{key}.{ending}");

    private void RequireSame(ExperimentSettings kept, ExperimentSettings now)
    {
        string? difference = kept.Experiment != now.Experiment ? $"the experiment {kept.Experiment}, and this is {now.Experiment}"
            : kept.Samples != now.Samples ? $"points of {kept.Samples} samples, and {now.Samples} are asked for"
            : kept.Seed != now.Seed ? $"points of seed {kept.Seed}, and the seed is {now.Seed}"
            : now.Files.FirstOrDefault(f => kept.Files.GetValueOrDefault(f.Key) != f.Value) is { Key: { } role } ? $"points made with another {role}"
            : kept.Version != now.Version ? $"points made by version {kept.Version}, and this is {now.Version}"
            : kept.Device != now.Device ? $"points made on {kept.Device}, and this is {now.Device}" : null;
        if (difference is not null) throw new ArgumentException($"'{_path}' holds {difference}; name another --out, or delete the folder.");
    }

    private static T Read<T>(string path, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(File.ReadAllText(path), type) ?? throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"'{path}' is damaged ({e.Message.Split('.')[0]}); delete it, and the point is made again.", e);
        }
    }

    private static void Write<T>(string path, T value, JsonTypeInfo<T> type) => WriteText(path, JsonSerializer.Serialize(value, type));

    private static void WriteText(string path, string text) => AtomicFile.Write(path, stream => stream.Write(Encoding.UTF8.GetBytes(text)));
}

/// <summary>The code that reads and writes both. A property that older files lack is settable, for generated code then leaves it as it is.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, WriteIndented = true, NumberHandling = JsonNumberHandling.AllowNamedFloatingPointLiterals)]
[JsonSerializable(typeof(ExperimentSettings))]
[JsonSerializable(typeof(PointResult))]
internal sealed partial class ExperimentJson : JsonSerializerContext;
