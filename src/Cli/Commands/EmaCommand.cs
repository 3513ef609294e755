using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Training;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion ema</c>: the moving average of any length, after a training.</summary>
internal sealed class EmaCommand
{
    private const string Description = "Make a model with a longer or shorter moving average of its weights, after its training.";

    private const string Details =
        """
        RUN is the folder of a training with --power-ema, or its averages/. The best length is found by trying: a wider average smooths more and lags more,
        and the best one for a guided model is another than for an unguided one. Nothing is trained (Karras et al. 2024, section 3.2).

        Examples:
          nativediffusion train --preset edm --power-ema 0.05,0.1 --out runs/edm
          nativediffusion ema runs/edm --std 0.13 --out wide.safetensors
          nativediffusion ema runs/edm --std 0.05 --at 500 --out earlier.safetensors
        """;

    private const double LargeFactors = 20;

    private readonly Argument<string> _run = new("RUN") { Description = "Folder of the training." };

    private readonly Option<double?> _std = CliOptions.OptionalNumber(
        "--std", "X", "Width of the average, as a share of the training: 0.05 is short, 0.2 long; at most 0.288.", 1e-4, 0.288);

    private readonly Option<int?> _at = CliOptions.OptionalInteger("--at", "STEP", "The step of the training at which it is the average. [default: the last]", 1);
    private readonly Option<string?> _out = CliOptions.Text("--out", "FILE", "The model to write, .safetensors.");
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var ema = new EmaCommand();
        var command = new CliCommand("ema", Description, Details) { ema._run, ema._std, ema._at, ema._out, ema._json };
        command.SetAction(parsed => ema.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string run = parsed.GetValue(_run)!;
        double std = parsed.GetValue(_std) ?? throw new UsageException($"{_std.Name} says how wide the average is; 0.1 for example.");
        string output = parsed.GetValue(_out) ?? throw new UsageException($"{_out.Name} says where the model goes; average.safetensors for example.");
        string folder = new RunFolder(run).Averages;
        if (!Directory.Exists(folder)) folder = run;
        string[] files = Directory.Exists(folder) ? [.. Directory.GetFiles(folder, "average-*.safetensors").Order(StringComparer.Ordinal)] : [];
        if (files.Length == 0)
            throw new FileNotFoundException($"'{run}' holds no averages to combine; a training keeps them with --power-ema 0.05,0.1.");
        using var kernels = new CpuKernels();
        var result = PostHocAverage.Combine(files, std, kernels, parsed.GetValue(_at) is { } step ? step * (long)PostHocAverage.BatchSize(files[0]) : null);
        using var model = result.Model;
        model.Save(output, DType.F16);
        double greatest = result.Factors.Max(Math.Abs);
        if (parsed.GetValue(_json)) 
            JsonReport.Write(context.Out, new JsonObject { ["std"] = std, ["images"] = result.Images, ["files"] = files.Length, ["largest_factor"] = greatest, ["out"] = output });
        else
            context.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"Wrote {output}: the average of width {std} after {result.Images} images, from {files.Length} saved ones."));
        if (greatest > LargeFactors)
            context.Error.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"Averages enter with factors of up to {greatest:0}: width {std} is far from the saved ones, and their rounding shows. Train with a --power-ema nearer to it."));
        return ExitCode.Success;
    }
}
