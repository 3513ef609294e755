using System.CommandLine;
using System.Text.RegularExpressions;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Cli;

/// <summary><c>--device</c>, <c>--threads</c> and <c>--math</c>: where a command computes, and how.</summary>
internal sealed partial class DeviceOption
{
    private const string Cpu = "cpu", Fastest = "auto";

    private static readonly (string, MatrixArithmetic)[] MathNames =
        [("ieee", MatrixArithmetic.Ieee), ("tf32", MatrixArithmetic.Tf32), ("bf16", MatrixArithmetic.Bf16)];

    /// <summary><c>--threads</c>.</summary>
    public Option<int> Threads { get; } = CliOptions.Integer(
        "--threads", "N", "Threads to use; 0 takes one per processor. The result is the same to the bit whatever the number.", 0, 0, 1024);

    /// <summary><c>--device</c>.</summary>
    public Option<string?> Device { get; } = CliOptions.Text(
        "--device", "NAME",
        $"{Cpu}; cuda or opencl, with :n for the n-th of them; {GpuDevice.Simulation}, a slow simulation; {Fastest}, the fastest that is there. [default: {Cpu}]");

    /// <summary><c>--math</c>.</summary>
    public Option<MatrixArithmetic> Math { get; } = CliOptions.Choice(
        "--math",
        "How a GPU multiplies matrices: in float32, or with factors rounded to TF32 or bfloat16, on tensor cores where it has them; docs/gpu.md gives the errors.",
        MathNames);

    /// <summary>Opens the device.</summary>
    /// <exception cref="UsageException">No such kind of device.</exception>
    /// <exception cref="DeviceException">A device that is not there, or cannot be used.</exception>
    public IKernels Open(ParseResult parsed) => Open(parsed.GetValue(Device) ?? Cpu, parsed.IsGiven(Threads) ? parsed.GetValue(Threads) : null, parsed.GetValue(Math));

    /// <summary>Opens the device of that name; threads are given for the CPU only, an arithmetic other than float32 for the others only.</summary>
    public static IKernels Open(string device, int? threads, MatrixArithmetic math = MatrixArithmetic.Ieee)
    {
        if (!Known().IsMatch(device)) throw new UsageException($"--device takes {Fastest}, {Cpu}, cuda[:n], opencl[:n] or {GpuDevice.Simulation}; got '{device}'.");
        if (device == Fastest) device = GpuDevices.List().FirstOrDefault(d => d.Problem is null && d.Id != GpuDevice.Simulation)?.Id ?? Cpu;
        if (device == Cpu && math != MatrixArithmetic.Ieee) throw new UsageException($"--math {MathNames.NameOf(math)} is of GPUs; the device is {device}, which multiplies in float32.");
        if (device == Cpu) return new CpuKernels(threads ?? 0);
        if (threads is not null) throw new UsageException($"--threads is of the CPU; the device is {device}.");
        return GpuDevices.Open(device, math);
    }

    [GeneratedRegex($"^({Fastest}|{Cpu}|{GpuDevice.Simulation}|(cuda|opencl)(:[0-9]{{1,3}})?)$")]
    private static partial Regex Known();
}
