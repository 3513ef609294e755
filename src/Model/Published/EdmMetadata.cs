using System.Globalization;
using System.Text.Json;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Model.Published;

/// <summary>What EDM's pickles say of a network beside its tensors: the class of its preconditioning and the constructor arguments.</summary>
internal static class EdmMetadata
{
    private const string Arguments = "init_kwargs.";

    /// <summary>The preconditioning; EDM's own where nothing is said.</summary>
    public static NoiseScheduleKind Schedule(IReadOnlyDictionary<string, string> metadata) => metadata.GetValueOrDefault("class_name") switch
    {
        "VPPrecond" => NoiseScheduleKind.VpSde,
        "VEPrecond" => NoiseScheduleKind.VeSde,
        "iDDPMPrecond" => NoiseScheduleKind.Iddpm,
        _ => NoiseScheduleKind.Edm,
    };

    /// <summary>A number among the arguments; null where nothing is said, or nothing that is a number.</summary>
    public static double? Number(IReadOnlyDictionary<string, string> metadata, string argument) =>
        metadata.TryGetValue(Arguments + argument, out string? text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value)
            ? value
            : null;

    /// <summary>A configuration with the arguments that do not show in its tensors.</summary>
    /// <exception cref="CheckpointException">They are out of range.</exception>
    public static object Refine(object config, IReadOnlyDictionary<string, string> metadata)
    {
        var known = (EdmConfig)config;
        known = known with { Dropout = Number(metadata, "dropout") ?? known.Dropout, LabelDropout = Number(metadata, "label_dropout") ?? known.LabelDropout };
        try
        {
            if (known is SongUNetConfig song && metadata.TryGetValue(Arguments + "resample_filter", out string? filter))
                known = song with { ResampleFilter = [.. JsonSerializer.Deserialize<double[]>(filter) ?? []] };
            known.Validate();
            return known;
        }
        catch (Exception e) when (e is ArgumentException or JsonException)
        {
            throw new CheckpointException($"The constructor arguments that the file gives do not describe its network: {e.Message}", e);
        }
    }
}
