using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>What a checkpoint of others was recognised as, from its header alone.</summary>
public sealed class PublishedCheckpoint
{
    private const int ShownDifferences = 5, MostPrefixes = 8;

    private readonly DiffusionSettings? _settings;

    private PublishedCheckpoint(Guess guess, PublishedSettings? user)
    {
        var file = guess.File;
        (Family, Prefix, Weights) = (guess.Family, guess.Prefix, file);
        var stated = new StatedSettings(file, Prefix, user);
        string? published = Family.PublishedAs(guess.Config);
        try
        {
            Config = Family.Refine(guess.Config, stated, published);
            _ = Family.TensorsOf(Config);
            _settings = Family.Diffusion?.Invoke(Config, stated, published);
            _ = _settings?.NoiseSchedule();
        }
        catch (Exception e) when (e is ArgumentException or ArithmeticException)
        {
            throw new CheckpointException($"{file.Name}: what is said of its network is not possible: {e.Message}", e);
        }
        stated.RequireUsed(Title);
        (Assumptions, Remarks) = (stated.Assumptions, stated.Remarks);
        Autoencoder = _settings?.LatentScale is null ? null : stated.Diffusers?.Autoencoder;
    }

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

    /// <summary>What neither the file nor the user says.</summary>
    public IReadOnlyList<Assumption> Assumptions { get; }

    /// <summary>What the settings beside the file say and is not followed, in words.</summary>
    public IReadOnlyList<string> Remarks { get; }

    /// <summary>Noise levels and classes as JSON, without the names of the classes; null for networks that are no diffusion models.</summary>
    public string? SettingsJson => _settings is null ? null : ModelJson.Write(_settings with { ClassNames = [] });

    /// <summary>Elements of all parameters, as the publications count them: without buffers and the running statistics of BatchNorm.</summary>
    public long ParameterCount => Family.TensorsOf(Config).Where(t => !t.Key.Contains(".running_", StringComparison.Ordinal))
        .Sum(t => t.Value.Aggregate(1L, (product, extent) => product * extent));

    /// <summary>Whether the network enlarges a picture that it is given beside the noise, so that it cannot be sampled alone.</summary>
    public bool IsUpsampler => Config is UNetConfig unet && AdmSettings.IsUpsampler(unet);

    internal NetworkFamily Family { get; }

    /// <summary>The file, its tensors under the names of <see cref="Family"/>.</summary>
    internal CheckpointFile Weights { get; }

    /// <summary>Folder of the autoencoder that stands beside a model of latents; null where there is none.</summary>
    internal string? Autoencoder { get; }

    /// <summary>How the network was trained; null for one that is no diffusion model.</summary>
    internal DiffusionSettings? Settings => _settings;

    /// <summary>The network and how it was trained.</summary>
    /// <param name="path">The file, for the message.</param>
    /// <exception cref="CheckpointException">It is no diffusion model that can be sampled, or something that has to be known is not.</exception>
    internal (INetworkConfig Network, DiffusionSettings Settings) DiffusionModel(string path)
    {
        if (_settings is null) throw new CheckpointException($"{path}: holds a {Title}, not a diffusion model.");
        if (IsUpsampler)
            throw new CheckpointException(
                $"{path}: is an upsampler (guided-diffusion's super-resolution network): of its {((UNetConfig)Config).InChannels} input channels half are a small picture, enlarged, which it is conditioned on. It cannot be sampled alone; give the model of the small pictures.");
        if (Assumptions.FirstOrDefault(a => a.Value is null) is { } unknown)
            throw new CheckpointException($"{path}: neither the file nor its tensors say the {unknown.Setting} of its network: {(unknown.Setting == DiffusersSettings.Groups ? "put the config.json that belongs to it beside it" : $"give it (in the tool, --{unknown.Setting.Replace('_', '-')})")}.");
        return ((INetworkConfig)Config, _settings);
    }

    /// <summary>Recognises a checkpoint; null if no known architecture has exactly its tensors.</summary>
    /// <param name="file">The file; only its header is read, and of EDM's networks a filter of a few numbers.</param>
    /// <param name="settings">What is known of the network that the file does not say.</param>
    /// <exception cref="CheckpointException">What is said of the network contradicts itself or the tensors.</exception>
    public static PublishedCheckpoint? Recognise(CheckpointFile file, PublishedSettings? settings = null) =>
        All(file, settings).FirstOrDefault() is { } guess ? new PublishedCheckpoint(guess, settings) : null;

    /// <summary>As <see cref="Recognise"/>, for a file that has to be of a known architecture.</summary>
    /// <exception cref="CheckpointException">It is of none; the message names the closest and the first differences from it.</exception>
    public static PublishedCheckpoint Require(CheckpointFile file, PublishedSettings? settings = null) => OtherCheckpoint.Of(file) is { } other ? throw new CheckpointException($"{file.Name}: is a {other.Title}: {other.Remedy}")
        : Recognise(file, settings) ?? throw new CheckpointException($"{file.Name}: {Unknown(file)}");

    /// <summary>As <see cref="Require(CheckpointFile, PublishedSettings?)"/>, for the weights as the optimiser left them, of a file that has them beside their average.</summary>
    /// <exception cref="CheckpointException">The file has only one of the two.</exception>
    internal static PublishedCheckpoint RequireRaw(CheckpointFile file, PublishedSettings? settings)
    {
        var first = All(file, settings).FirstOrDefault() ?? throw new CheckpointException($"{file.Name}: {Unknown(file)}");
        if (!IsAverage(first.Prefix))
            throw new CheckpointException($"{file.Name}: is a published checkpoint with one set of weights, which are used as they are; raw weights are those of a file that has their average (ema) as well.");
        return All(file, settings).FirstOrDefault(other => other.Family == first.Family && !IsAverage(other.Prefix)) is { } raw
            ? new PublishedCheckpoint(raw, settings)
            : throw new CheckpointException($"{file.Name}: holds averaged weights only ('{first.Prefix}'); there are no raw ones beside them.");
    }

    /// <summary>As <see cref="Require(CheckpointFile, PublishedSettings?)"/>, for one network of a file that may hold several.</summary>
    /// <param name="file">The file; its tensors are not read.</param>
    /// <param name="wanted">Which configurations will do.</param>
    /// <param name="what">What is wanted, for the message.</param>
    /// <exception cref="CheckpointException">There is none.</exception>
    internal static PublishedCheckpoint Require(CheckpointFile file, Predicate<object> wanted, string what) =>
        All(file, null).FirstOrDefault(found => wanted(found.Config)) is { } guess ? new PublishedCheckpoint(guess, null)
            : throw new CheckpointException($"{file.Name}: holds {((OtherCheckpoint.Of(file)?.Title ?? Recognise(file)?.Title) is { } other ? "a " + other : "no known architecture")}, where {what} is needed.");

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
        var known = NetworkFamilies.All.SelectMany(family => family.Presets.Select(preset => new Guess(family, file, "", preset.Config, shapes)));
        var best = Guesses(DiffusersKeys.View(file, null)).Concat(known).MinBy(Distance)!;
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

    private static IEnumerable<Guess> All(CheckpointFile file, PublishedSettings? user) => Guesses(DiffusersKeys.View(file, user)).Where(g => !Differences(g.Family, g.Config, g.Shapes).Any());

    private static IEnumerable<Guess> Guesses(CheckpointFile file)
    {
        foreach (var family in NetworkFamilies.All)
            foreach (string prefix in Prefixes(file, family.Anchor))
            {
                var shapes = Shapes(file, prefix);
                if (Infer(family, shapes) is { } config) yield return new Guess(family, file, prefix, config, shapes);
            }
    }

    // Of a hostile file, the extents that a configuration is made of may be anything.
    private static object? Infer(NetworkFamily family, Dictionary<string, long[]> shapes)
    {
        try
        {
            if (family.Infer(shapes) is not { } config) return null;
            _ = family.TensorsOf(config);
            return config;
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
        .OrderBy(prefix => IsAverage(prefix) ? 0 : 1).ThenBy(prefix => prefix.Length).Take(MostPrefixes);

    private static bool IsAverage(string prefix) => prefix.Contains("ema", StringComparison.Ordinal);

    private static Dictionary<string, long[]> Shapes(CheckpointFile file, string prefix) => file.Tensors
        .Where(t => t.Name.StartsWith(prefix, StringComparison.Ordinal)).ToDictionary(t => t.Name[prefix.Length..], t => t.Shape, StringComparer.Ordinal);

    private sealed record Guess(NetworkFamily Family, CheckpointFile File, string Prefix, object Config, Dictionary<string, long[]> Shapes);
}
