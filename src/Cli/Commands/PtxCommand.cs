using System.CommandLine;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion ptx</c>: the kernels as assembler of NVIDIA GPUs.</summary>
internal sealed class PtxCommand
{
    private const string Description = "Write every GPU kernel as PTX, without a GPU.";

    private const string Details =
        """
        Needs a build with GPU support (docs/gpu.md). ILGPU 1.5.3 writes PTX for sm_80 at most: every newer device is given the same text, which its driver
        assembles for it, so sm_90, sm_100 and sm_120 differ from sm_80 in nothing. The last line says what the text is for. Examples:
          nativediffusion ptx --arch sm_80 --out ptx
          ptxas -arch=sm_80 -v ptx/ConvInputKernel.ptx -o input.cubin     registers, shared memory and spills of a kernel
        """;

    private readonly Option<string?> _architecture = CliOptions.Text("--arch", "NAME", "sm_50 to sm_121 (an unknown one lists all). [default: sm_80]");
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
        string target = "";
        foreach (var (name, text) in GpuKernelList.Compile(architecture))
        {
            context.Cancellation.ThrowIfCancellationRequested();
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, name + ".ptx"), text);
            target = TargetOf(text);
            count++;
        }
        context.Out.WriteLine($"{count} kernels for {architecture} in {folder}{(target == architecture ? "" : $", written for {target}: ILGPU 1.5.3 knows no newer text")}");
        return ExitCode.Success;
    }

    /// <summary>What stands after <c>.target</c>.</summary>
    private static string TargetOf(string ptx) => ptx.Split('\n').FirstOrDefault(line => line.StartsWith(".target ", StringComparison.Ordinal))?[8..].Trim() ?? "";
}
