using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Points;
using NativeDiffusion.Experiments.Running;

namespace NativeDiffusion.Experiments;

/// <summary>A question about guidance, the points that answer it, and what the report shows of them. A new one is one file in Points and one line here.</summary>
internal abstract class Experiment
{
    /// <summary>Every experiment.</summary>
    public static IReadOnlyList<Experiment> All { get; } =
        [new GuidersExperiment(), new GuidanceSweep(), new StepsSweep(), new ClassifierGuidanceExperiment(), new DdimAgainstAncestral(), new EluCdAblations(), new TemperatureExperiment()];

    /// <summary>Its name on the command line.</summary>
    public abstract string Name { get; }

    /// <summary>Title of the report.</summary>
    public abstract string Title { get; }

    /// <summary>What is asked, and what the papers say: a paragraph.</summary>
    public abstract string Question { get; }

    /// <summary>Samples a point, where nobody says otherwise.</summary>
    public virtual int Samples => 2000;

    /// <summary>Whether classifiers guide in some of its points.</summary>
    public virtual bool NeedsGuides => false;

    /// <summary>Whether it compares models of several trainings, where they are given: every point is made with each.</summary>
    public virtual bool ComparesModels => false;

    /// <summary>The points, in the order of the report.</summary>
    public abstract IReadOnlyList<ExperimentPoint> Points { get; }

    /// <summary>The charts of finished points.</summary>
    public abstract IReadOnlyList<Chart> Charts(IReadOnlyList<PointResult> results);

    /// <summary>A line for each series, by the place of its points.</summary>
    protected static Chart ByPlace(string title, string xLabel, string metric, IReadOnlyList<PointResult> results)
    {
        var named = Judge.Metrics.First(m => m.Key == metric);
        return new Chart(title, xLabel, named.Head, [.. results.Where(r => r.Series.Length > 0).GroupBy(r => r.Series).Select(line => new ChartSeries(
            line.Key, [.. line.OrderBy(r => r.X).Select(r => new ChartPoint(r.X, r.Metrics[metric].Value, r.Metrics[metric].StandardError))]))]);
    }

    /// <summary>One metric over another, each point with its name; a colour for each group.</summary>
    protected static Chart Against(string title, string x, string y, IEnumerable<PointResult> results)
    {
        Metric Named(string key) => Judge.Metrics.First(m => m.Key == key);
        return new Chart(title, Named(x).Head, Named(y).Head, [.. results.GroupBy(r => r.Group).Select(group => new ChartSeries(
            group.Key, [.. group.Select(r => new ChartPoint(r.Metrics[x].Value, r.Metrics[y].Value, r.Metrics[y].StandardError, r.Label))], IsLine: false))]);
    }
}
