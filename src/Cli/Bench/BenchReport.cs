using System.Text.Json.Serialization;

namespace NativeDiffusion.Cli.Bench;

/// <summary>What <c>--json</c> writes.</summary>
internal sealed record BenchReport(
    string Config, string Pass, int Batch, int? Threads, double MedianMs, double Gflop, double GflopsPerS, double PlanPeakMb, double ProcessPeakRssMb)
{
    /// <summary>Null for the CPU.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Device { get; init; }

    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public ProfileTable? Profile { get; init; }
}
