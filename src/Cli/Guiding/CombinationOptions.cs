using System.CommandLine;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Guiding;

/// <summary>The options of how predictions are combined, and of the dynamic threshold after it.</summary>
internal sealed class CombinationOptions
{
    private const double Most = 1e6;

    /// <summary>The guiders, of which there is one at a time.</summary>
    public static readonly string[] Names = ["rescale", "zero*", "tcfg", "mambo-g", "apg", "apg-momentum", "apg-mix", "fdg"];

    private static readonly string[] Running = ["apg-momentum", "apg-mix"], Apg = ["apg", .. Running], Threshold = ["dynamic-threshold"];

    private readonly Option<double?> _rescale = CliOptions.OptionalNumber(
        "--rescale", "X", "rescale [default: 0.7], zero*, tcfg, mambo-g, apg, apg-momentum, apg-mix, fdg [default: 0]: share of the conditional prediction's deviation.", 0, 1);

    private readonly Option<int?> _zeroSteps = CliOptions.OptionalInteger("--zero-steps", "N", "zero*: steps at the start without prediction [default: 1].", 0, 100_000);
    private readonly Option<double?> _alpha = CliOptions.OptionalNumber("--mambo-alpha", "X", "mambo-g: decay [default: 8].", 0, Most);
    private readonly Option<double?> _threshold = CliOptions.OptionalNumber("--apg-threshold", "X", "apg, apg-momentum [default: 15], apg-mix [default: 10]: greatest norm of the difference, 0 for no limit.", 0, Most);
    private readonly Option<double?> _eta = CliOptions.OptionalNumber("--apg-eta", "X", "apg, apg-momentum, apg-mix: kept share of the parallel part [default: 0].", -Most, Most);
    private readonly Option<double?> _momentum = CliOptions.OptionalNumber("--apg-momentum", "X", "apg-momentum, apg-mix: share of the running difference that is kept [default: -0.5].", -Most, Most);
    private readonly Option<double?> _mixScale = CliOptions.OptionalNumber("--apg-mix-scale", "X", "apg-mix: guidance scale of the projected part [default: 10].", -Most, Most);
    private readonly Option<int?> _mixAfter = CliOptions.OptionalInteger("--apg-mix-after", "N", "apg-mix: last step of plain guidance by --w, counted from 0 [default: 5].", 0, 100_000);
    private readonly Option<bool> _perChannel = new("--apg-per-channel") { Description = "apg-momentum: norms and directions of each channel by itself." };
    private readonly Option<double[]?> _scales = CliOptions.Numbers("--fdg-scales", "LIST", "fdg: guidance scale of each band of frequencies, the finest first, 1 to 6 of them [default: 10,5].", -Most, Most);
    private readonly Option<double[]?> _parallel = CliOptions.Numbers("--fdg-parallel", "LIST", "fdg: factor of the parallel part of each band [default: 1 for all].", -Most, Most);
    private readonly Option<double?> _quantile = CliOptions.OptionalNumber("--threshold-quantile", "X", "dynamic-threshold: share of the magnitudes that is not clamped [default: 0.995].", 1e-6, 1);
    private readonly Option<double?> _most = CliOptions.OptionalNumber("--threshold-most", "X", "dynamic-threshold: greatest bound [default: none].", 1, Most);

    /// <summary>The options, each with the guiders that read it.</summary>
    public (Option Option, string[] Guiders)[] Owners =>
    [
        (_rescale, Names), (_zeroSteps, ["zero*"]), (_alpha, ["mambo-g"]), (_threshold, Apg), (_eta, Apg), (_momentum, Running), (_mixScale, ["apg-mix"]), (_mixAfter, ["apg-mix"]), (_perChannel, ["apg-momentum"]),
        (_scales, ["fdg"]), (_parallel, ["fdg"]), (_quantile, Threshold), (_most, Threshold),
    ];

    /// <summary>Strengths where the bands have scales of their own: guided or not.</summary>
    /// <exception cref="UsageException">Others were asked for.</exception>
    public static double[]? FrequencyStrengths(double[]? strengths, double[]? scales, bool grid) =>
        scales is not null || strengths?.Any(w => w is not (0 or 1)) == true
            ? throw new UsageException("fdg has a scale for each band (--fdg-scales); beside it, --w is 0 (unguided) or 1 (guided), and --scale is left out.")
            : strengths ?? (grid ? [0, 1] : [1]);

    /// <summary>The combination that one of the guiders asks for; null for none.</summary>
    public Combination? From(ParseResult parsed, IReadOnlyList<string> names)
    {
        double? phi = parsed.GetValue(_rescale);
        double threshold = parsed.GetValue(_threshold) ?? 15, eta = parsed.GetValue(_eta) ?? 0, momentum = parsed.GetValue(_momentum) ?? -0.5;
        return names.FirstOrDefault(Names.Contains) switch
        {
            null => null,
            "rescale" => ReweightedCombination.Rescale(phi ?? 0.7),
            "zero*" => ReweightedCombination.ZeroStar(parsed.GetValue(_zeroSteps) ?? 1, phi ?? 0),
            "tcfg" => ReweightedCombination.Tangential(phi ?? 0),
            "mambo-g" => ReweightedCombination.Magnitude(parsed.GetValue(_alpha) ?? 8, phi ?? 0),
            "apg" => ReweightedCombination.Projected(threshold, eta, phi ?? 0),
            "apg-momentum" => new ProjectedCombination(momentum, threshold, eta, phi ?? 0, parsed.GetValue(_perChannel)),
            "apg-mix" => ProjectedCombination.Mixed(parsed.GetValue(_mixScale) ?? 10, parsed.GetValue(_mixAfter) ?? 5, momentum, parsed.GetValue(_threshold) ?? 10, eta, phi ?? 0),
            _ => new FrequencyCombination(Bands(parsed, phi ?? 0)),
        };
    }

    /// <summary>The dynamic threshold; null for none.</summary>
    public DynamicThreshold? ThresholdFrom(ParseResult parsed, IReadOnlyList<string> names) => names.Any(Threshold.Contains)
        ? new DynamicThreshold(parsed.GetValue(_quantile) ?? 0.995, parsed.GetValue(_most) ?? double.PositiveInfinity) : null;

    private FrequencyBand[] Bands(ParseResult parsed, double phi)
    {
        double[] scales = parsed.IsGiven(_scales) ? parsed.GetValue(_scales)! : [10, 5];
        double[] parallel = parsed.IsGiven(_parallel) ? parsed.GetValue(_parallel)! : [.. scales.Select(_ => 1.0)];
        return parallel.Length == scales.Length
            ? [.. scales.Zip(parallel, (s, p) => new FrequencyBand(s, p, phi))]
            : throw new UsageException($"--fdg-scales says {scales.Length} bands and --fdg-parallel {parallel.Length}; give a number for each band.");
    }
}
