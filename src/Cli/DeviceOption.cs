using System.CommandLine;
using System.Text.RegularExpressions;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Cli;

/// <summary><c>--device</c> and <c>--threads</c>: where a command computes.</summary>
internal sealed partial class DeviceOption
{
    /// <summary><c>--threads</c>.</summary>
    public Option<int> Threads { get; } = CliOptions.Integer(
        "--threads", "N", "Threads to use; 0 takes one per processor. The result is the same to the bit whatever the number.", 0, 0, 1024);

    /// <summary><c>--device</c>.</summary>
    public Option<string?> Device { get; } = CliOptions.Text(
        "--device", "NAME", "cpu; cuda or opencl, with :n for the n-th of them; ilgpu-cpu, a slow simulation; auto, the fastest that is there. [default: cpu]");

    /// <summary>Opens the device.</summary>
    /// <exception cref="UsageException">No such kind of device.</exception>
    /// <exception cref="GpuException">A device that is not there.</exception>
    public IKernels Open(ParseResult parsed)
    {
        string device = parsed.GetValue(Device) ?? "cpu";
        if (!Known().IsMatch(device)) throw new UsageException($"--device takes auto, cpu, cuda[:n], opencl[:n] or ilgpu-cpu; got '{device}'.");
        if (device == "auto") device = GpuDevices.List().FirstOrDefault(d => d.Id != "ilgpu-cpu")?.Id ?? "cpu";
        if (device == "cpu") return new CpuKernels(parsed.GetValue(Threads));
        if (parsed.IsGiven(Threads)) throw new UsageException($"--threads is of the CPU; the device is {device}.");
        return GpuDevices.Open(device);
    }

    [GeneratedRegex("^(auto|cpu|ilgpu-cpu|(cuda|opencl)(:[0-9]{1,3})?)$")]
    private static partial Regex Known();
}
