using System.CommandLine;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion ptx</c>: the kernels as assembler of NVIDIA GPUs.</summary>
internal sealed class PtxCommand
{
    private const string Description = "Write every GPU kernel as PTX, without a GPU.";

    private const string Details =
        """
        Needs a build with GPU support (docs/gpu.md). Examples:
          nativediffusion ptx --arch sm_80 --out ptx
          ptxas -arch=sm_80 -v ptx/ConvInputKernel.ptx -o input.cubin     registers, shared memory and spills of a kernel
        """;

    private readonly Option<string?> _architecture = CliOptions.Text("--arch", "NAME", "sm_80, sm_90 and the like. [default: sm_80]");
    private readonly Option<string?> _folder = CliOptions.Text("--out", "DIR", "Folder to write to. [default: ptx]");

    public static Command Create(CliContext context)
    {
        var ptx = new PtxCommand();
        var command = new CliCommand("ptx", Description, Details) { ptx._architecture, ptx._folder };
        command.SetAction(parsed => ptx.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string architecture = parsed.GetValue(_architecture) ?? "sm_80", folder = parsed.GetValue(_folder) ?? "ptx";
        int count = 0;
        foreach (var (name, text) in GpuKernelList.Compile(architecture))
        {
            context.Cancellation.ThrowIfCancellationRequested();
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, name + ".ptx"), text);
            count++;
        }
        context.Out.WriteLine($"{count} kernels for {architecture} in {folder}");
        return ExitCode.Success;
    }
}
