using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Commands;
using NativeDiffusion.Cli.Training;
using NativeDiffusion.Model;

namespace NativeDiffusion.Cli;

/// <summary>The settings in a file, in the words that the options take: <c>dpm++2m</c> for a file's <c>dpm_solver2_m</c>, as one would write it for a run.</summary>
internal static class StoredWords
{
    private static readonly Dictionary<string, Dictionary<string, string>> WordsOfKey = new()
    {
        ["kind"] = Words(OptionWords.Samplers),
        ["spacing"] = Words(OptionWords.Spacings),
        ["variance"] = Words(OptionWords.Variances),
        ["prediction"] = Words(TrainCommand.PredictionNames),
        ["schedule"] = Words([.. Enum.GetValues<NoiseScheduleKind>().Select(kind => (OptionWords.Of(kind), kind))]),
        ["weighting"] = Words(TrainingOptions.WeightingNames),
    };

    /// <summary>The JSON text of an object with its values so replaced, at any depth; what no option takes stays as it is.</summary>
    /// <exception cref="JsonException">It is none.</exception>
    public static JsonElement AsOptions(string json)
    {
        var root = JsonNode.Parse(json);
        Replace(root);
        using var document = JsonDocument.Parse(root?.ToJsonString() ?? "null");
        return document.RootElement.Clone();
    }

    private static void Replace(JsonNode? node)
    {
        if (node is not JsonObject group) return;
        foreach (var (key, value) in group.ToArray())
            if (value is JsonValue text && text.TryGetValue(out string? stored) && WordsOfKey.TryGetValue(key, out var words) && words.TryGetValue(stored, out string? word))
                group[key] = word;
            else Replace(value);
    }

    private static Dictionary<string, string> Words<T>((string Name, T Value)[] choices)
        where T : struct, Enum => choices.ToDictionary(c => JsonNamingPolicy.SnakeCaseLower.ConvertName(c.Value.ToString()), c => c.Name);
}
