using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>What a checkpoint of others was recognised as, from its header alone.</summary>
public sealed class PublishedCheckpoint
{
    private const int ShownDifferences = 5, MostPrefixes = 8;

    private readonly IReadOnlyDictionary<string, string> _metadata;

    private PublishedCheckpoint(NetworkFamily family, string prefix, object config, IReadOnlyDictionary<string, string> metadata) =>
        (Family, Prefix, Config, _metadata) = (family, prefix, config, metadata);

    /// <summary>Short name of the architecture.</summary>
    public string Architecture => Family.Name;

    /// <summary>The architecture in words.</summary>
    public string Title => Family.Title;

    /// <summary>Name of the published configuration, if it is one.</summary>
    public string? Preset => Family.PresetOf(Config);

    /// <summary>What stands in front of every key.</summary>
    public string Prefix { get; }

    /// <summary>Constructor arguments of the network: a record of the architecture's own kind.</summary>
    public object Config { get; }

    /// <summary><see cref="Config"/> as JSON, under the published names.</summary>
    public string ConfigJson => NetworkFamily.Json(Config);

    /// <summary>Elements of all parameters, as the publications count them: without buffers and the running statistics of BatchNorm.</summary>
    public long ParameterCount => Family.TensorsOf(Config).Where(t => !t.Key.Contains(".running_", StringComparison.Ordinal))
        .Sum(t => t.Value.Aggregate(1L, (product, extent) => product * extent));

    internal NetworkFamily Family { get; }

    /// <summary>The network and how it was trained.</summary>
    /// <param name="path">The file, for the message.</param>
    /// <exception cref="CheckpointException">It is no diffusion model.</exception>
    internal (INetworkConfig Network, DiffusionSettings Settings) DiffusionModel(string path) => Family.Diffusion is { } diffusion
        ? ((INetworkConfig)Config, diffusion(Config, _metadata))
        : throw new CheckpointException($"{path}: holds a {Title}, not a diffusion model.");

    /// <summary>Recognises a checkpoint; null if no known architecture has exactly its tensors.</summary>
    /// <param name="file">The file; its tensors are not read.</param>
    public static PublishedCheckpoint? Recognise(CheckpointFile file) => All(file).FirstOrDefault();

    /// <summary>As <see cref="Recognise"/>, for a file that has to be of a known architecture.</summary>
    /// <exception cref="CheckpointException">It is of none; the message names the closest and the first differences from it.</exception>
    public static PublishedCheckpoint Require(CheckpointFile file) => Recognise(file) ?? throw new CheckpointException($"{file.Name}: {Unknown(file)}");

    /// <summary>As <see cref="Require(CheckpointFile)"/>, for one network of a file that may hold several.</summary>
    /// <param name="file">The file; its tensors are not read.</param>
    /// <param name="wanted">Which configurations will do.</param>
    /// <param name="what">What is wanted, for the message.</param>
    /// <exception cref="CheckpointException">There is none.</exception>
    internal static PublishedCheckpoint Require(CheckpointFile file, Predicate<object> wanted, string what) =>
        All(file).FirstOrDefault(found => wanted(found.Config))
            ?? throw new CheckpointException($"{file.Name}: holds {(Recognise(file) is { } other ? $"a {other.Title}" : "no known architecture")}, where {what} is needed.");

    /// <summary>Where a file's tensors and a configuration's differ, in words.</summary>
    internal static IEnumerable<string> Differences(NetworkFamily family, object config, IReadOnlyDictionary<string, long[]> shapes)
    {
        var expected = family.TensorsOf(config);
        foreach (var (key, shape) in expected)
            if (!shapes.TryGetValue(key, out long[]? found)) yield return $"'{key}' [{string.Join(",", shape)}] is missing";
            else if (!WeightFile.SameExtents(found, shape)) yield return $"'{key}' is [{string.Join(",", found)}] and should be [{string.Join(",", shape)}]";
        foreach (string key in shapes.Keys)
            if (!expected.ContainsKey(key) && !family.IsBuffer(key))
                yield return $"{CheckpointException.Quote(key)} [{string.Join(",", shapes[key])}] does not belong to it";
    }

    private static string Unknown(CheckpointFile file)
    {
        var shapes = Shapes(file, "");
        var known = NetworkFamilies.All.SelectMany(family => family.Presets.Select(preset => new Guess(family, "", preset.Config, shapes)));
        var best = Guesses(file).Concat(known).MinBy(Distance)!;
        if (!best.Family.TensorsOf(best.Config).Keys.Any(best.Shapes.ContainsKey))
            return $"its {file.Tensors.Count} tensors are of no known architecture ({string.Join(", ", NetworkFamilies.All.Select(f => f.Name))}).";
        string[] differences = [.. Differences(best.Family, best.Config, best.Shapes)];
        string preset = best.Family.PresetOf(best.Config) is { } name ? ", " + name : "";
        string rest = differences.Length > ShownDifferences ? $"; and {differences.Length - ShownDifferences} more" : "";
        return $"its tensors are of no known architecture. The closest is {best.Family.Title}{preset}, but {string.Join("; ", differences.Take(ShownDifferences))}{rest}.";
    }

    // Tensors that only one of the two has.
    private static int Distance(Guess guess)
    {
        var expected = guess.Family.TensorsOf(guess.Config);
        int common = expected.Count(t => guess.Shapes.TryGetValue(t.Key, out long[]? found) && WeightFile.SameExtents(found, t.Value));
        return expected.Count + guess.Shapes.Count - 2 * common;
    }

    private static IEnumerable<PublishedCheckpoint> All(CheckpointFile file) => Guesses(file)
        .Where(g => !Differences(g.Family, g.Config, g.Shapes).Any()).Select(g => new PublishedCheckpoint(g.Family, g.Prefix, g.Config, Metadata(file, g.Prefix)));

    private static IEnumerable<Guess> Guesses(CheckpointFile file)
    {
        foreach (var family in NetworkFamilies.All)
            foreach (string prefix in Prefixes(file, family.Anchor))
            {
                var shapes = Shapes(file, prefix);
                if (Infer(family, shapes, Metadata(file, prefix)) is { } config) yield return new Guess(family, prefix, config, shapes);
            }
    }

    // Of a hostile file, the extents that a configuration is made of may be anything.
    private static object? Infer(NetworkFamily family, Dictionary<string, long[]> shapes, IReadOnlyDictionary<string, string> metadata)
    {
        try
        {
            if (family.Infer(shapes) is not { } config) return null;
            _ = family.TensorsOf(config);
            return family.Refine(config, metadata);
        }
        catch (Exception e) when (e is ArgumentException or ArithmeticException)
        {
            return null;
        }
    }

    // A file may hold a network several times (raw and averaged) or among others; the average comes first.
    private static IEnumerable<string> Prefixes(CheckpointFile file, string anchor) => file.Tensors
        .Where(t => t.Name.EndsWith(anchor, StringComparison.Ordinal)).Select(t => t.Name[..^anchor.Length])
        .Where(prefix => prefix.Length == 0 || prefix.EndsWith('.'))
        .OrderBy(prefix => prefix.Contains("ema", StringComparison.Ordinal) ? 0 : 1).ThenBy(prefix => prefix.Length).Take(MostPrefixes);

    private static Dictionary<string, long[]> Shapes(CheckpointFile file, string prefix) => file.Tensors
        .Where(t => t.Name.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Name[prefix.Length..], t => t.Shape, StringComparer.Ordinal);

    // EDM's network is inside its preconditioning, which is what the metadata tell of.
    private static Dictionary<string, string> Metadata(CheckpointFile file, string prefix)
    {
        string owner = EdmConfig.Prefixes.FirstOrDefault(inner => prefix.EndsWith(inner, StringComparison.Ordinal)) is { } model ? prefix[..^model.Length] : prefix;
        return file.Metadata.Where(m => m.Key.StartsWith(owner, StringComparison.Ordinal)).ToDictionary(m => m.Key[owner.Length..], m => m.Value, StringComparer.Ordinal);
    }

    private sealed record Guess(NetworkFamily Family, string Prefix, object Config, Dictionary<string, long[]> Shapes);
}
