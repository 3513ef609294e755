namespace NativeDiffusion.Cli.Evaluating;

/// <summary>What <c>evaluate</c> may compute.</summary>
[Flags]
internal enum Metrics
{
    None = 0,
    Fid = 1,
    SpatialFid = 2,
    Kid = 4,
    InceptionScore = 8,
    PrecisionRecall = 16,
    DensityCoverage = 32,
    Accuracy = 64,
    Calibration = 128,
    Nearest = 256,
}

/// <summary>The words of <c>--metrics</c>.</summary>
internal static class MetricNames
{
    private static readonly (string Name, Metrics Metric)[] Names =
    [
        ("fid", Metrics.Fid), ("sfid", Metrics.SpatialFid), ("kid", Metrics.Kid), ("is", Metrics.InceptionScore), ("pr", Metrics.PrecisionRecall),
        ("dc", Metrics.DensityCoverage), ("accuracy", Metrics.Accuracy), ("ece", Metrics.Calibration), ("nearest", Metrics.Nearest),
    ];

    public const Metrics NeedReference = Metrics.Fid | Metrics.SpatialFid | NeedReferencePictures, NeedLabels = Metrics.Accuracy | Metrics.Calibration,
        NeedReferencePictures = Metrics.Kid | Metrics.PrecisionRecall | Metrics.DensityCoverage | Metrics.Nearest;

    public static string Listing => string.Join(", ", Names.Select(n => n.Name));

    /// <exception cref="UsageException">A word that is none of them.</exception>
    public static Metrics Parse(string text) => text.Split(',').Select(part => part.Trim()).Aggregate(Metrics.None, (all, name) =>
        all | (Names.FirstOrDefault(n => n.Name == name) is { Name: not null } known ? known.Metric : throw new UsageException($"--metrics takes some of {Listing}, separated by commas; got '{name}'.")));

    public static string NameOf(Metrics metrics) => string.Join(", ", Names.Where(n => metrics.HasFlag(n.Metric)).Select(n => n.Name));
}
