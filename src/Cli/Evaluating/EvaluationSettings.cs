using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Cli.Evaluating;

/// <summary>What <c>evaluate</c> computes, and how.</summary>
internal sealed record EvaluationSettings
{
    /// <summary>What was asked for; null for all that the network and the sets allow.</summary>
    public Metrics? Wanted { get; init; }

    public int SplitSize { get; init; } = 5000;

    public KernelDistanceOptions Kernel { get; init; } = new();

    public ManifoldOptions Manifold { get; init; } = new();

    public int Bins { get; init; } = 15;

    public int Nearest { get; init; } = 5;

    public ulong Seed { get; init; }

    public int Threads { get; init; }
}

/// <summary>A number of the report.</summary>
/// <param name="Key">Its key in JSON.</param>
/// <param name="Title">Its name in the table.</param>
/// <param name="Estimate">Value and standard error.</param>
/// <param name="Floor">The same between two halves of the reference.</param>
/// <param name="Reading">How it is read.</param>
internal sealed record EvaluationRow(string Key, string Title, Estimate Estimate, double? Floor, string Reading);

/// <summary>A sample that is much like a picture of the training set.</summary>
/// <param name="Sample">Its name.</param>
/// <param name="Training">The nearest picture.</param>
/// <param name="Distance">Between their features.</param>
/// <param name="Ratio">That over the distance to the second nearest; a copy is far below 1.</param>
internal sealed record NearestPicture(string Sample, string Training, double Distance, double Ratio);

/// <summary>All that <c>evaluate</c> found.</summary>
internal sealed record EvaluationResult(
    IReadOnlyList<EvaluationRow> Rows, IReadOnlyList<ReliabilityBin>? Reliability, IReadOnlyList<NearestPicture>? Nearest, double? ShareOfNearCopies, IReadOnlyList<string> Warnings);
