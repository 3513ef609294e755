using NativeDiffusion.Experiments.Running;
using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Experiments.Reports;

/// <summary>What differences mean: two rows are told apart where they differ by more than twice the standard error of the difference.</summary>
internal static class Significance
{
    private const double Limit = 2;

    /// <summary>Whether two measured numbers differ by more than chance explains. Rows share their noise, so this errs to the side of "no".</summary>
    public static bool Differ(Estimate a, Estimate b)
    {
        double error = Math.Sqrt(a.StandardError * a.StandardError + b.StandardError * b.StandardError);
        return double.IsNaN(error) ? false : Math.Abs(a.Value - b.Value) > Limit * error;
    }

    /// <summary>The best of some rows by a metric, and those that cannot be told from it.</summary>
    public static (PointResult Best, IReadOnlyList<PointResult> Alike) Best(IReadOnlyList<PointResult> rows, Metric metric)
    {
        var best = rows.Where(r => double.IsFinite(r.Metrics[metric.Key].Value)).MaxBy(r => metric.Better * r.Metrics[metric.Key].Value) ?? rows[0];
        return (best, [.. rows.Where(r => r != best && !Differ(r.Metrics[metric.Key], best.Metrics[metric.Key]))]);
    }
}
