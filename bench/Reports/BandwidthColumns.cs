using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using NativeDiffusion.Bench.Arms;
using Perfolizer.Horology;

namespace NativeDiffusion.Bench.Reports;

/// <summary>
/// Columns for the guided step alone: the bytes that it cannot avoid per second, and how that compares with copying as many bytes, measured in
/// the same run. An arm that moves more bytes than it must therefore scores less.
/// </summary>
public sealed class BandwidthColumns : ManualConfig
{
    /// <summary>Both columns, and times in microseconds.</summary>
    public BandwidthColumns()
    {
        AddColumn(
            new Column("GB/s", "Bytes that the step must read and write, per second", (summary, benchmark) => Rate(summary, benchmark)),
            new Column("% of copy", "GB/s against the copy's", (summary, benchmark) => Rate(summary, Copy(summary, benchmark)) is { } copy
                ? 100 * Rate(summary, benchmark) / copy
                : null));
        WithSummaryStyle(SummaryStyle.Default.WithTimeUnit(TimeUnit.Microsecond));
    }

    private static double? Rate(Summary summary, BenchmarkCase? benchmark)
    {
        if (benchmark is null || summary[benchmark]?.ResultStatistics is not { } statistics) return null;
        var size = (GuidedStepBenchmarks.StepSize)benchmark.Parameters[nameof(GuidedStepBenchmarks.Size)];
        var kind = (StepKind)benchmark.Parameters[nameof(GuidedStepBenchmarks.Kind)];
        return StepData.LeastBytes(size.Shape, (int)benchmark.Parameters[nameof(GuidedStepBenchmarks.Batch)], kind) / statistics.Median;
    }

    private static BenchmarkCase? Copy(Summary summary, BenchmarkCase benchmark) => summary.BenchmarksCases.FirstOrDefault(other =>
        other.Descriptor.WorkloadMethod.Name == nameof(GuidedStepBenchmarks.Copy)
        
        && new[] { nameof(GuidedStepBenchmarks.Kind), nameof(GuidedStepBenchmarks.Size), nameof(GuidedStepBenchmarks.Batch) }.All(name => other.Parameters[name].Equals(benchmark.Parameters[name])));

    private sealed class Column(string name, string legend, Func<Summary, BenchmarkCase, double?> value) : IColumn
    {
        public string Id => name;

        public string ColumnName => name;

        public string Legend => legend;

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) =>
            value(summary, benchmarkCase)?.ToString("0.0", CultureInfo.InvariantCulture) ?? "";

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) => GetValue(summary, benchmarkCase);
    }
}
