using System.CommandLine;
using System.Text.Json.Nodes;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion devices</c>: what --device can be here.</summary>
internal sealed class DevicesCommand
{
    private const string Description = "List the devices of this machine that can compute.";

    private const string Details =
        """
        Examples:
          nativediffusion devices
          nativediffusion sample --device cuda:0 --out digits.png
        """;

    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var devices = new DevicesCommand();
        var command = new CliCommand("devices", Description, Details) { devices._json };
        command.SetAction(parsed => devices.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        using var cpu = new CpuKernels();
        var found = new List<GpuDevice> { new("cpu", cpu.DeviceName, GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, $"{cpu.Threads} threads") };
        found.AddRange(GpuDevices.List());
        if (parsed.GetValue(_json))
        {
            JsonReport.Write(context.Out, new JsonObject { ["gpu_support"] = GpuDevices.IsBuiltIn, ["devices"] = JsonReport.Node<IReadOnlyList<GpuDevice>>(found) });
            return ExitCode.Success;
        }
        foreach (var device in found)
            context.Out.WriteLine(FormattableString.Invariant($"{device.Id,-10} {device.Name}, {device.MemoryBytes / 1e9:0.0} GB, {device.Capability}{(device.Problem is null ? "" : $"; cannot be used: {device.Problem}")}"));
        if (!GpuDevices.IsBuiltIn)
            context.Error.WriteLine("This build has no GPU support: it was published trimmed or natively compiled, or the package source did not serve ILGPU when it was made (docs/gpu.md says how to get it).");
        return ExitCode.Success;
    }
}
