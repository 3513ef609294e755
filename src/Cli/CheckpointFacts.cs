using System.Text.Json;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli;

/// <summary>What can be said of a checkpoint from its header alone.</summary>
internal sealed record CheckpointFacts
{
    // Beside the weights, a training checkpoint holds their average, the optimiser's moments and the loss so far.
    private static readonly string[] PrefixesOfTraining = ["ema.", "adam.", "training."];

    /// <summary>In words.</summary>
    public required string Kind { get; init; }

    /// <summary>The published architecture that it is recognised as; null for files of this tool and of unknown ones.</summary>
    public required PublishedCheckpoint? Published { get; init; }

    /// <summary>Elements of the weights.</summary>
    public required long Parameters { get; init; }

    /// <summary>Bytes of all tensors.</summary>
    public required long Bytes { get; init; }

    /// <summary>Number of tensors of each type.</summary>
    public required IReadOnlyDictionary<string, int> DTypes { get; init; }

    /// <summary>The file's metadata; texts that are JSON objects as such.</summary>
    public required IReadOnlyList<KeyValuePair<string, object>> Metadata { get; init; }

    /// <summary>Reads a header.</summary>
    /// <param name="file">The file.</param>
    /// <param name="options">Those that could say what the file does not.</param>
    /// <param name="given">What they say.</param>
    public static CheckpointFacts Read(CheckpointFile file, NetworkOptions options, PublishedSettings? given)
    {
        bool own = ModelMetadata.IsIn(file), training = own && file.Metadata.ContainsKey("state");
        string? architecture = own ? file.Metadata[ModelMetadata.ArchitectureKey] : null;
        var other = own ? null : OtherCheckpoint.Of(file);
        var published = own || other is not null ? null : PublishedCheckpoint.Recognise(file, given);
        if (published is null && given is not null)
            throw new UsageException($"'{file.Name}' is no published checkpoint of a known architecture, of which alone options can say what the file does not.");
        string kind = architecture switch
        {
            null => other is not null ? $"{other.Title}: {other.Remedy}" : published is null ? "tensors of no known architecture" : published.IsUpsampler ? $"upsampler of {published.Title}: conditioned on a small picture, not to be sampled alone" : published.Preset is { } preset ? $"{published.Title}, {preset}" : published.Title,
            _ when ModelMetadata.IsNetwork(architecture) => training ? "training checkpoint of a diffusion model" : "diffusion model",
            NoisyClassifier.Architecture => "classifier of noisy images",
            ImageClassifier.Architecture => "classifier",
            _ => $"model of the architecture '{architecture}'",
        };
        var weights = training ? file.Tensors.Where(t => !PrefixesOfTraining.Any(p => t.Name.StartsWith(p, StringComparison.Ordinal))) : file.Tensors;
        return new CheckpointFacts
        {
            Kind = kind,
            Published = published,
            Parameters = published?.ParameterCount ?? weights.Sum(t => t.ElementCount),
            Bytes = file.Tensors.Sum(t => t.ByteLength),
            DTypes = file.Tensors.GroupBy(t => t.DType.ToString().ToLowerInvariant()).OrderBy(g => g.Key, StringComparer.Ordinal).ToDictionary(g => g.Key, g => g.Count()),
            Metadata =
            [
                .. published is null ? [] : Describe(published, options),
                .. architecture is not null && ModelMetadata.IsNetwork(architecture) && SettingsOf(file) is { } settings ? Trained(settings) : [],
                .. file.Metadata.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(own ? m.Key : "file." + m.Key, Parse(m.Value))),
            ],
        };
    }

    private static IEnumerable<KeyValuePair<string, object>> Describe(PublishedCheckpoint published, NetworkOptions options)
    {
        yield return new("architecture", published.Architecture);
        if (published.Prefix.Length > 0) yield return new("prefix", published.Prefix);
        yield return new("config", Parse(published.ConfigJson));
        if (published.SettingsJson is { } settings) yield return new("diffusion", Parse(settings));
        if (published.Assumptions.Count > 0)
            yield return new("assumed", JsonSerializer.SerializeToElement(published.Assumptions.ToDictionary(a => a.Setting, options.Describe), ReportJson.Default.IReadOnlyDictionaryStringString));
        if (published.Remarks.Count > 0) yield return new("not_followed", string.Join("; ", published.Remarks));
        if (published.Autoencoder is { } autoencoder) yield return new("autoencoder", autoencoder);
        if (published.Settings is null || published.IsUpsampler) yield break;
        foreach (var fact in Trained(published.Settings)) yield return fact;
    }

    // Settings that cannot be used are shown as they are.
    private static DiffusionSettings? SettingsOf(CheckpointFile file)
    {
        try
        {
            return ModelMetadata.Parse<DiffusionSettings>(file, ModelMetadata.SettingsKey);
        }
        catch (CheckpointException)
        {
            return null;
        }
    }

    // What the settings have as numbers of labels, in words.
    private static IEnumerable<KeyValuePair<string, object>> Trained(DiffusionSettings settings)
    {
        yield return new("guidance", settings.WhyUnguided is { } why ? "none: " + why : "classifier-free, by the null class");
        string[] classes = [.. settings.ClassNames.Where((_, label) => !settings.IsTrained(label))];
        if (classes.Length > 0) yield return new("never_trained", classes.Length == settings.ClassNames.Length ? "every class" : string.Join(", ", classes));
    }

    private static object Parse(string text)
    {
        if (!text.StartsWith('{')) return text;
        try
        {
            return StoredWords.AsOptions(text);
        }
        catch (JsonException)
        {
            return text;
        }
    }
}
