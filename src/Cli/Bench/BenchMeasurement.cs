using System.Diagnostics;
using System.Globalization;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>Times of repeated runs.</summary>
internal static class BenchMeasurement
{
    private const int LeastWarmupRuns = 2, MostWarmupRuns = 200;
    private const double WarmupSeconds = 2;
    private static readonly string[] CountedKernels = ["Conv2d", "Linear", "Attention"];

    /// <summary>Median time of a run, in milliseconds, after runs that warm up memory, caches and the compiler.</summary>
    public static double MedianMilliseconds(BenchPass pass, IKernels kernels, int runs, CancellationToken cancellation, Action<int> report)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < LeastWarmupRuns || (i < MostWarmupRuns && Stopwatch.GetElapsedTime(start).TotalSeconds < WarmupSeconds); i++)
        {
            cancellation.ThrowIfCancellationRequested();
            pass.Run();
            kernels.Synchronize();
        }
        double[] times = new double[runs];
        for (int i = 0; i < runs; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            start = Stopwatch.GetTimestamp();
            pass.Run();
            kernels.Synchronize();
            times[i] = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            report(i + 1);
        }
        Array.Sort(times);
        return (times[(runs - 1) / 2] + times[runs / 2]) / 2;
    }

    /// <summary>
    /// Operations of a plan's convolutions, matrix products and attention, forward and backward, by the textbook formulas: what published counts
    /// of a network's GFLOP include.
    /// </summary>
    public static double Flops(Plan plan) =>
        plan.Steps.Where(s => CountedKernels.Any(k => s.Kernel.StartsWith(k, StringComparison.Ordinal))).Sum(s => s.Flops);

    /// <summary>Largest resident memory of this process so far, in bytes.</summary>
    public static long PeakResidentBytes()
    {
        // On Linux, Process.PeakWorkingSet64 is 0 in some containers, so the kernel's own counter comes first.
        const string status = "/proc/self/status", key = "VmHWM:";
        if (File.Exists(status))
            foreach (string line in File.ReadLines(status))
                if (line.StartsWith(key, StringComparison.Ordinal))
                    return long.Parse(line[key.Length..].Replace("kB", "").Trim(), CultureInfo.InvariantCulture) * 1024;
        using var process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64;
    }
}
