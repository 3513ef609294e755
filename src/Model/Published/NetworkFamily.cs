using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Published;

/// <summary>A published architecture, whose checkpoints are recognised by the names and extents of their tensors.</summary>
/// <param name="Name">Short, as checkpoints' metadata and reports have it.</param>
/// <param name="Title">In words, with the source.</param>
internal sealed record NetworkFamily(string Name, string Title)
{
    /// <summary>A key that every checkpoint of the family has; what stands in front of it in a file is the prefix of all.</summary>
    public required string Anchor { get; init; }

    /// <summary>The configuration whose tensors these are (extents by key, without prefix); null for another family.</summary>
    public required Func<IReadOnlyDictionary<string, long[]>, object?> Infer { get; init; }

    /// <summary>Keys and extents of a configuration's tensors; null for the parameters that <see cref="Declare"/> makes.</summary>
    public Func<object, IEnumerable<KeyValuePair<string, long[]>>>? Tensors { get; init; }

    /// <summary>Declares a configuration's parameters.</summary>
    public required Action<object, Parameters> Declare { get; init; }

    /// <summary>Tensors of files that are no parameters and follow from the configuration.</summary>
    public Predicate<string> IsBuffer { get; init; } = _ => false;

    /// <summary>A configuration with what is stated beside its tensors; the text names the published network that has these tensors, if one has.</summary>
    public Func<object, StatedSettings, string?, object> Refine { get; init; } = (config, _, _) => config;

    /// <summary>How models of a refined configuration were trained and are sampled; null for networks that are no diffusion models.</summary>
    public Func<object, StatedSettings, string?, DiffusionSettings>? Diffusion { get; init; }

    /// <summary>Configurations with a name.</summary>
    public IReadOnlyList<(string Name, object Config)> Presets { get; init; } = [];

    /// <summary>Keys and extents that a checkpoint of a configuration has, buffers left out.</summary>
    public Dictionary<string, long[]> TensorsOf(object config)
    {
        if (Tensors is not null) return new Dictionary<string, long[]>(Tensors(config), StringComparer.Ordinal);
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        Declare(config, parameters);
        return parameters.Items.ToDictionary(p => p.Name, p => p.PublishedShape.Select(e => (long)e).ToArray(), StringComparer.Ordinal);
    }

    /// <summary>The preset with a configuration, if it is one; what tensors do not show, such as dropout, does not count.</summary>
    public string? PresetOf(object config)
    {
        string Shown(object any) => Infer(TensorsOf(any)) is { } seen ? Json(seen) : "";
        string shown = Shown(config);
        return Presets.Where(p => Shown(p.Config) == shown).Select(p => p.Name).FirstOrDefault();
    }

    /// <summary>The preset that a configuration read off tensors is, image size and heads included; null where those are guesses.</summary>
    public string? PublishedAs(object inferred) => Presets.Where(p => Json(p.Config) == Json(inferred)).Select(p => p.Name).FirstOrDefault();

    /// <summary>A configuration as JSON; records that hold arrays are not equal where their elements are.</summary>
    public static string Json(object config) => ModelJson.Write(config);
}
