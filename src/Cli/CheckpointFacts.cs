using System.Text.Json;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli;

/// <summary>What can be said of a safetensors file from its header alone.</summary>
internal sealed record CheckpointFacts
{
    // Beside the weights, a training checkpoint holds their average, the optimiser's moments and the loss so far.
    private static readonly string[] PrefixesOfTraining = ["ema.", "adam.", "training."];

    /// <summary>In words.</summary>
    public required string Kind { get; init; }

    /// <summary>Elements of the weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of all tensors.</summary>
    public required long Bytes { get; init; }

    /// <summary>Number of tensors of each type.</summary>
    public required IReadOnlyDictionary<string, int> DTypes { get; init; }

    /// <summary>The file's metadata; texts that are JSON objects as such.</summary>
    public required IReadOnlyList<KeyValuePair<string, object>> Metadata { get; init; }

    public static CheckpointFacts Read(CheckpointFile file)
    {
        bool training = file.Metadata.ContainsKey("state");
        string? architecture = file.Metadata.GetValueOrDefault("architecture");
        string kind = architecture switch
        {
            null => "safetensors file of another tool",
            "adm_unet" => training ? "training checkpoint of a diffusion model" : "diffusion model",
            _ => architecture.Contains("classifier", StringComparison.Ordinal) ? "classifier" : $"model of the architecture '{architecture}'",
        };
        var weights = training ? file.Tensors.Where(t => !PrefixesOfTraining.Any(p => t.Name.StartsWith(p, StringComparison.Ordinal))) : file.Tensors;
        return new CheckpointFacts
        {
            Kind = kind,
            Parameters = weights.Sum(t => t.ElementCount),
            Bytes = file.Tensors.Sum(t => t.ByteLength),
            DTypes = file.Tensors.GroupBy(t => t.DType.ToString()).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count()),
            Metadata = [.. file.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, Parse(m.Value)))],
        };
    }

    private static object Parse(string text)
    {
        if (!text.StartsWith('{')) return text;
        try
        {
            return JsonDocument.Parse(text).RootElement.Clone();
        }
        catch (JsonException)
        {
            return text;
        }
    }
}
