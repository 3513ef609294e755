using System.Globalization;
using System.Text;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>Where the time of a plan goes, step by step and by kernel, beside what the machine could do.</summary>
/// <param name="Roof">The machine's limits.</param>
/// <param name="Runs">Profiled runs that each time is the median of.</param>
/// <param name="Steps">One entry per kernel call, in order.</param>
/// <param name="Kernels">One entry per kernel and algorithm, largest time first.</param>
internal sealed record ProfileTable(
    MachineRoof Roof, int Runs, IReadOnlyList<ProfileTable.StepEntry> Steps, IReadOnlyList<ProfileTable.KernelEntry> Kernels)
{
    // A step this short did little or nothing, for example with weights that were packed already.
    private const double ShortestMs = 0.002;

    /// <summary>Runs a plan several times and takes each step's median.</summary>
    public static ProfileTable Measure(Plan plan, MachineRoof roof, int runs, CancellationToken cancellation)
    {
        double[][] times = [.. plan.Steps.Select(_ => new double[runs])];
        for (int run = 0; run < runs; run++)
        {
            cancellation.ThrowIfCancellationRequested();
            plan.RunProfiled();
            for (int i = 0; i < times.Length; i++) times[i][run] = plan.Steps[i].Seconds * 1e3;
        }
        StepEntry[] steps = [.. plan.Steps.Select((step, i) => Entry(i, step, Median(times[i]), roof))];
        double total = steps.Sum(s => s.Ms);
        return new ProfileTable(roof, runs, steps, [.. steps
            .GroupBy(s => (s.Op, s.Algorithm))
            .Select(group => Summarise(group.Key.Op, group.Key.Algorithm, [.. group], total, roof))
            .OrderByDescending(k => k.Ms)]);
    }

    /// <summary>The tables as text.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        text.AppendLine(Roof.Threads is { } threads
            ? FormattableString.Invariant($"Roof with {threads} threads: {Roof.GflopsPerS:0} GFLOP/s multiply-adds, {Roof.CopyGbPerS:0.0} GB/s copy. Medians of {Runs} runs.")
            : FormattableString.Invariant($"Roof: {Roof.GflopsPerS:0.##} GFLOP/s in a large product, {Roof.CopyGbPerS:0.##} GB/s copy. Medians of {Runs} runs.\n")
            + "Every step is waited for, so its time includes starting it, and all of them take longer than a run without profile.");
        text.AppendLine("% roof: what the slower of arithmetic and memory would take at the roof, of the time; above 100 where caches or Winograd help.");
        text.AppendLine("Steps under 2 us are left out of the first table.");
        text.AppendLine();
        int shape = Math.Max(5, Steps.Where(s => s.Rate is not null).Select(s => s.Shape.Length).DefaultIfEmpty().Max());
        text.AppendLine($"step  {"op",-24} {"shape".PadRight(shape)}  {"algorithm",-20} {"ms",9} {"rate",9} {"",-8} {"% roof",6}");
        foreach (var step in Steps.Where(s => s.Rate is not null))
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{step.Step,4}  {step.Op,-24} {step.Shape.PadRight(shape)}  {step.Algorithm ?? "",-20} {step.Ms,9:0.0000} {Rate(step.Rate, step.Unit, step.PercentOfRoof)}");
        text.AppendLine();
        text.AppendLine($"{"kernel",-24} {"algorithm",-20} {"steps",5} {"ms",9} {"% time",6} {"rate",9} {"",-8} {"% roof",6}");
        foreach (var kernel in Kernels)
            text.AppendLine(CultureInfo.InvariantCulture,
                $"{kernel.Op,-24} {kernel.Algorithm ?? "",-20} {kernel.Steps,5} {kernel.Ms,9:0.0000} {kernel.PercentOfTime,6:0.0} {Rate(kernel.Rate, kernel.Unit, kernel.PercentOfRoof)}");
        text.Append(CultureInfo.InvariantCulture, $"{"all",-24} {"",-20} {Steps.Count,5} {Steps.Sum(s => s.Ms),9:0.0000}");
        return text.ToString();
    }

    private static string Rate(double? rate, string? unit, double? percent) =>
        rate is null ? "" : string.Create(CultureInfo.InvariantCulture, $"{rate,9:0.0} {unit,-8} {percent,6:0}");

    private static StepEntry Entry(int index, Step step, double ms, MachineRoof roof)
    {
        double bytes = sizeof(float) * (double)(step.Reads.Sum(t => t.Count) + step.Writes.Sum(t => t.Count));
        var (rate, unit, percent) = Against(roof, step.Flops, bytes, ms);
        string shape = step.Writes.Count > 0 ? step.Writes[0].ToString() : "";
        return new StepEntry(index, step.Kernel, shape, step.Algorithm, Math.Round(ms, 5), step.Flops, bytes, rate, unit, percent);
    }

    private static KernelEntry Summarise(string op, string? algorithm, StepEntry[] steps, double total, MachineRoof roof)
    {
        double ms = steps.Sum(s => s.Ms);
        var (rate, unit, _) = Against(roof, steps.Sum(s => s.Flops), steps.Sum(s => s.Bytes), ms);
        // Steps of one kernel may have different limits; the time they would take at the roof adds up.
        double percent = steps.Sum(s => s.Ms * (s.PercentOfRoof ?? 0)) / ms;
        return new KernelEntry(
            op, algorithm, steps.Length, Math.Round(ms, 5), Math.Round(100 * ms / total, 2), rate, unit, rate is null ? null : Math.Round(percent, 1));
    }

    private static (double? Rate, string? Unit, double? Percent) Against(MachineRoof roof, double flops, double bytes, double ms)
    {
        if (ms < ShortestMs) return (null, null, null);
        bool arithmetic = roof.LimitedByArithmetic(flops, bytes);
        return (Math.Round((arithmetic ? flops : bytes) / ms / 1e6, 2), arithmetic ? "GFLOP/s" : "GB/s", Math.Round(100 * roof.Share(flops, bytes, ms / 1e3), 1));
    }

    private static double Median(double[] times)
    {
        Array.Sort(times);
        return (times[(times.Length - 1) / 2] + times[times.Length / 2]) / 2;
    }

    /// <summary>One kernel call. The rate is GFLOP/s or GB/s, by what limits it; none where it did nothing.</summary>
    internal sealed record StepEntry(
        int Step, string Op, string Shape, string? Algorithm, double Ms, double Flops, double Bytes, double? Rate, string? Unit, double? PercentOfRoof);

    /// <summary>All calls of one kernel by one algorithm.</summary>
    internal sealed record KernelEntry(
        string Op, string? Algorithm, int Steps, double Ms, double PercentOfTime, double? Rate, string? Unit, double? PercentOfRoof);
}
