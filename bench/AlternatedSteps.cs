using System.Globalization;
using System.Text;
using NativeDiffusion.Bench.Arms;
using NativeDiffusion.Bench.Reports;

namespace NativeDiffusion.Bench;

/// <summary>
/// The question of <see cref="GuidedSamplerStepBenchmarks"/> with the arms in turns. A busy machine
/// slows the arms of a round alike, so the median of the rounds' ratios is steadier than a ratio of times measured one after the other.
/// </summary>
internal static class AlternatedSteps
{
    private const int WarmupRounds = 2;

    private sealed record Row(SamplerCase Case, int Rounds, double[] Milliseconds, double[] Ratios);

    /// <summary>Measures every case and writes a table and a chart.</summary>
    public static void Run()
    {
        List<Row> rows = [];
        foreach (var sampled in GuidedSamplerStepBenchmarks.Cases)
        {
            rows.Add(Measure(sampled));
            Console.WriteLine(TableRow(rows[^1]));
        }
        string[] names = BenchModels.ArmNames;
        var text = new StringBuilder("# GuidedSamplerStep, arms in turns\n\n").Append(ResultFiles.Header("")).Append('\n');
        text.AppendLine("Medians over the rounds: milliseconds of each arm, and its time over that of two passes in the same round.\n");
        text.AppendLine($"| network, batch | rounds | {string.Join(" | ", names.Select(n => n + ", ms"))} | {string.Join(" | ", names[1..].Select(n => n + " / two passes"))} |");
        text.AppendLine($"|---|{string.Concat(Enumerable.Repeat("---:|", 2 * names.Length))}");
        foreach (var row in rows) text.AppendLine(TableRow(row));
        ResultFiles.WriteText("GuidedSamplerStepInTurns.md", text.ToString());

        string header = string.Join(',', names.Select(n => n.Replace(",", "", StringComparison.Ordinal).Replace(' ', '_')));
        var csv = new StringBuilder(ResultFiles.Header("# ")).AppendLine($"preset,batch,rounds,{header},ratio_composed,ratio_sampler");
        foreach (var row in rows)
            csv.AppendLine(CultureInfo.InvariantCulture,
                $"{row.Case.Preset},{row.Case.Batch},{row.Rounds},{string.Join(',', row.Milliseconds.Select(Exact))},{string.Join(',', row.Ratios[1..].Select(Exact))}");
        ResultFiles.WriteText("GuidedSamplerStepInTurns.csv", csv.ToString());
        ResultFiles.WriteText("GuidedSamplerStepInTurns.svg", BarChart.Svg(
            "Time of a guided sampler step, two passes = 1", [.. rows.Select(r => r.Case.ToString())], names, [.. rows.Select(r => r.Ratios)]));
    }

    private static Row Measure(SamplerCase sampled)
    {
        using var kernels = BenchForm.Open();
        using var model = sampled.CreateModel(kernels);
        var table = BenchModels.MiddleStep(model);
        ISamplerArm[] arms = [.. Enumerable.Range(0, BenchModels.ArmNames.Length).Select(i => BenchModels.Start(i, model, table, sampled.Batch))];
        double seconds = BenchForm.Size switch { BenchSize.Long => 12, BenchSize.Short => 5, _ => 0 };
        var times = InTurns.Milliseconds(arms.Length, WarmupRounds, seconds, arm =>
        {
            arms[arm].Step(0);
            kernels.Synchronize();
        });
        foreach (var arm in arms) arm.Dispose();
        return new Row(
            sampled, times[0].Count, [.. times.Select(InTurns.Median)], [.. times.Select(arm => InTurns.Ratio(arm, times[0]))]);
    }

    private static string TableRow(Row row) => string.Create(CultureInfo.InvariantCulture,
        $"| {row.Case} | {row.Rounds} | {string.Join(" | ", row.Milliseconds.Select(ms => Fixed(ms, "0.00")))} | {string.Join(" | ", row.Ratios[1..].Select(r => Fixed(r, "0.000")))} |");

    private static string Fixed(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Exact(double value) => Fixed(value, "0.#####");
}
