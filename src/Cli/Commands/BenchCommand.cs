using System.CommandLine;
using NativeDiffusion.Cli.Bench;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion bench</c>: measures the speed and memory of one pass.</summary>
internal sealed class BenchCommand
{
    private const string Description = "Measure the speed and memory of one pass of a network on this machine.";

    private const string Details =
        """
        Passes: forward (one evaluation), train (forward, backward, clipping, AdamW), guided (one guided sampler step, by the
        doubled batch of as many images as the sampler takes at once), unfused
        (the same step with the same kernels, by two evaluations and simple passes over memory). The time is the median after a warm-up; GFLOP count
        direct convolution, whatever algorithm runs. Close other programs first.
        --profile adds a table of the steps (of one evaluation, for guided and unfused), each beside the roof of this machine, which it measures first;
        on a GPU it waits for every step, so their times add up to more than the pass takes.
        On a GPU the simple passes of unfused are still the CPU's: they include moving predictions and images over the bus.

        Examples:
          nativediffusion bench --config small32 --pass forward --batch 16
          nativediffusion bench --config digits --pass train --batch 64 --threads 1 --json
          nativediffusion bench --config small32 --pass train --batch 16 --profile
        """;

    private static readonly (string, BenchConfig)[] ConfigNames =
        [("digits", BenchConfig.Digits), ("small32", BenchConfig.Small32), ("base64", BenchConfig.Base64)];

    private static readonly (string, PassKind)[] PassNames =
        [("forward", PassKind.Forward), ("train", PassKind.Train), ("guided", PassKind.Guided), ("unfused", PassKind.Unfused)];

    private readonly Option<BenchConfig> _config = CliOptions.Choice("--config", "The network.", ConfigNames);
    private readonly Option<PassKind> _pass = CliOptions.Choice("--pass", "What to measure.", PassNames);
    private readonly Option<int> _batch = CliOptions.Integer("--batch", "N", "Images.", 16, 1, 65536);
    private readonly DeviceOption _device = new();
    private readonly Option<int> _runs = CliOptions.Integer("--runs", "N", "Runs to take the median of.", 5, 5, 100_000);
    private readonly Option<bool> _profile = new("--profile") { Description = "Also show the time of every step, and what this machine could do." };
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var bench = new BenchCommand();
        var command = new CliCommand("bench", Description, Details)
        {
            bench._config, bench._pass, bench._batch, bench._device.Device, bench._device.Threads, bench._device.Math, bench._runs, bench._profile, bench._json,
        };
        command.SetAction(parsed => bench.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        var (config, kind, batch, runs) = (parsed.GetValue(_config), parsed.GetValue(_pass), parsed.GetValue(_batch), parsed.GetValue(_runs));
        var network = Network(config);
        using var kernels = _device.Open(parsed);
        var cpu = kernels as CpuKernels;
        var settings = new DiffusionSettings { ClassNames = [.. Enumerable.Range(0, network.NumClasses!.Value - 1).Select(i => $"{i}")] };
        using var model = new DiffusionModel(network, settings, kernels);
        using BenchPass pass = kind switch
        {
            PassKind.Train => new TrainPass(model, batch),
            PassKind.Guided => new GuidedPass(model, batch),
            PassKind.Unfused => new UnfusedPass(model, batch),
            _ => new ForwardPass(model, batch),
        };
        double median = 0;
        ConsoleProgress.Run(context, "run", 0, runs, progress =>
            median = BenchMeasurement.MedianMilliseconds(pass, kernels, runs, context.Cancellation, done => progress.Report(done)));

        var report = new BenchReport(
            ConfigNames.NameOf(config), PassNames.NameOf(kind), batch, cpu?.Threads,
            MedianMs: Math.Round(median, 3),
            Gflop: Math.Round(pass.Flops / 1e9, 4),
            GflopsPerS: Math.Round(pass.Flops / 1e6 / median, 2),
            PlanPeakMb: Math.Round(pass.PlanBytes / 1e6, 3),
            ProcessPeakRssMb: Math.Round(BenchMeasurement.PeakResidentBytes() / 1e6, 3)) { Device = cpu is null ? kernels.DeviceName : null };
        // After the peak of memory was noted: measuring the roof needs buffers of its own.
        if (parsed.GetValue(_profile))
            report = report with { Profile = ProfileTable.Measure(pass.Plan, cpu is null ? DeviceRoof.Measure(kernels) : MachineRoof.Measure(cpu), runs, context.Cancellation) };
        if (parsed.GetValue(_json)) JsonReport.Write(context.Out, JsonReport.Node(report)!);
        else
        {
            context.Out.WriteLine(FormattableString.Invariant(
                $"{report.Config} {report.Pass}, batch {batch}, {(cpu is null ? "" : $"{cpu.Threads} threads, ")}{kernels.DeviceName}: ")
                + FormattableString.Invariant($"{median:0.00} ms, {report.Gflop} GFLOP, {report.GflopsPerS:0.0} GFLOP/s, {batch * 1000 / median:0.0} images/s, ")
                + FormattableString.Invariant($"plan {report.PlanPeakMb:0.0} MB, process {report.ProcessPeakRssMb:0.0} MB"));
            if (report.Profile is { } profile) context.Out.WriteLine($"\n{profile}");
        }
        return ExitCode.Success;
    }

    private static UNetConfig Network(BenchConfig config) => config switch
    {
        BenchConfig.Small32 => Presets.Small32,
        BenchConfig.Base64 => Presets.Base64,
        _ => Presets.Digits,
    };

    private enum BenchConfig { Digits, Small32, Base64 }

    private enum PassKind { Forward, Train, Guided, Unfused }
}
