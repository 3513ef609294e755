using System.CommandLine;
using System.Text.Json.Nodes;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion convert</c>: writes a checkpoint in another container.</summary>
internal sealed class ConvertCommand
{
    private const string Description = "Write a checkpoint in another container, under the same names, with its metadata.";

    private const string Details =
        """
        IN is read whatever its name: safetensors, PyTorch (zip, TorchScript, before 1.6, plain pickles such as EDM's), NumPy, an index file of a
        checkpoint in parts or the folder with one. Nothing inside it is executed. OUT's ending says what is written:
          .safetensors            safetensors
          .pt .pth .bin .ckpt     a state dict for torch.load
          .npz                    NumPy

        Examples:
          nativediffusion convert 64x64_diffusion.pt 64x64_diffusion.safetensors
          nativediffusion convert edm-imagenet-64x64-cond-adm.pkl edm.safetensors --dtype f16 --prefix ema.
          nativediffusion convert models/digits.safetensors digits.pt
          nativediffusion convert ema_0.9999_500000.pt ours.safetensors --heads 4 --schedule cosine --diffusion-steps 4000 --rescale-timesteps yes
              a published checkpoint that says from now on what its authors gave as flags
        """;

    private static readonly (string, Precision)[] PrecisionNames =
        [("keep", Precision.Keep), ("f32", Precision.F32), ("f16", Precision.F16), ("bf16", Precision.BF16)];

    private readonly Argument<string> _in = new("IN") { Description = "The checkpoint." };
    private readonly Argument<string> _out = new("OUT") { Description = "File to create or replace." };
    private readonly Option<Precision> _dtype = CliOptions.Choice("--dtype", "How to store real numbers; integers keep their type.", PrecisionNames);
    private readonly Option<string?> _prefix = CliOptions.Text("--prefix", "TEXT", "Write only the tensors whose names begin so, without it; 'ema.' for example.");
    private readonly NetworkOptions _network = new();
    private readonly Option<bool> _json = CliOptions.Json();

    private enum Precision
    {
        Keep,
        F32,
        F16,
        BF16,
    }

    public static Command Create(CliContext context)
    {
        var convert = new ConvertCommand();
        var command = new CliCommand("convert", Description, Details) { convert._in, convert._out, convert._dtype, convert._prefix, convert._json };
        convert._network.AddTo(command);
        command.SetAction(parsed => convert.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string input = parsed.GetValue(_in)!, output = parsed.GetValue(_out)!;
        Action<string, IEnumerable<TensorEntry>, IEnumerable<KeyValuePair<string, string>>?> write = Writer(output);
        using var opened = CheckpointFile.Open(input);
        WritableFolder.RequireFor(output);
        string prefix = parsed.GetValue(_prefix) ?? "";
        CheckpointFile file = prefix.Length > 0 ? opened.Within(prefix) : opened;
        if (file.Tensors.Count == 0)
            throw new CheckpointException($"{input}: holds no tensors{(prefix.Length > 0 ? $" whose names begin with '{prefix}'" : "")}.");
        var metadata = Metadata(file, _network.From(parsed));
        DType? dtype = parsed.GetValue(_dtype) switch
        {
            Precision.F32 => DType.F32,
            Precision.F16 => DType.F16,
            Precision.BF16 => DType.BF16,
            _ => null,
        };
        long total = file.Tensors.Sum(t => t.ByteLength);
        long megabytes = (total + 999_999) / 1_000_000;
        ConsoleProgress.Run(context, "MB", 0, megabytes, progress =>
        {
            long done = 0;
            write(output, file.Tensors.Select(t => TensorEntry.From(file, t.Name, dtype).Before(() =>
            {
                context.Cancellation.ThrowIfCancellationRequested();
                progress.Report(done / 1_000_000, t.Name);
                done += t.ByteLength;
            })), metadata);
            progress.Report(megabytes);
        });
        if (parsed.GetValue(_json))
            JsonReport.Write(context.Out, new JsonObject
            {
                ["in"] = input, ["container"] = opened.Container, ["out"] = output, ["dtype"] = PrecisionNames.NameOf(parsed.GetValue(_dtype)), ["prefix"] = prefix,
                ["tensors"] = file.Tensors.Count, ["bytes"] = LengthOf(output),
            });
        else
            context.Out.WriteLine(FormattableString.Invariant($"{output}: {file.Tensors.Count} tensors, {LengthOf(output) / 1e6:0.00} MB"));
        return ExitCode.Success;
    }

    // Of a pipe or a device nobody knows it.
    private static long LengthOf(string output) => PosixFile.SpecialKind(output) is null ? new FileInfo(output).Length : 0;

    // What the user says of a published network goes into the new file, once nothing contradicts it.
    private static IReadOnlyDictionary<string, string> Metadata(CheckpointFile file, PublishedSettings? given)
    {
        if (given is null) return file.Metadata;
        if (ModelMetadata.IsIn(file)) throw new UsageException($"'{file.Name}' was written by this tool and says all of its network; nothing can be added to it.");
        _ = PublishedCheckpoint.Require(file, given);
        return StatedSettings.Declare(file.Metadata, given);
    }

    private static Action<string, IEnumerable<TensorEntry>, IEnumerable<KeyValuePair<string, string>>?> Writer(string path) =>
        Path.GetExtension(path).ToLowerInvariant() switch
        {
            ".safetensors" => (to, tensors, metadata) => SafetensorsWriter.Write(to, tensors, metadata, checksums: true),
            ".npz" => NpzCheckpointWriter.Write,
            ".pt" or ".pth" or ".bin" or ".ckpt" => TorchWriter.Write,
            var other => throw new UsageException($"OUT ends with .safetensors, .pt, .pth, .bin, .ckpt or .npz, which says what to write; got '{other}'."),
        };
}
