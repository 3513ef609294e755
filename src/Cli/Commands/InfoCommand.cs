using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime.Checkpoints;
using Spectre.Console;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion info</c>: describes a checkpoint.</summary>
internal sealed class InfoCommand
{
    private const string Description = "Describe a checkpoint: what it holds, its architecture and its settings.";

    private const string Details =
        """
        Examples:
          nativediffusion info models/digits.safetensors
          nativediffusion info runs/quick/checkpoint.safetensors --tensors
          nativediffusion info 64x64_diffusion.pt
              the architecture of a published checkpoint; only its header is read
          nativediffusion info sevens.png
              how a picture of sample was made
          nativediffusion info models/digits.safetensors --plan 16
              every kernel call of one evaluation for 16 images, with memory and operations
        """;

    private readonly Argument<string> _file = new("FILE") { Description = "A model, a training checkpoint, or a published checkpoint (safetensors, PyTorch, EDM pickle, TorchScript, npz), an ONNX file, or a folder with one; or a PNG picture, for how it was made." };
    private readonly Option<bool> _tensors = new("--tensors") { Description = "List every tensor with its type and shape." };
    private readonly Option<int?> _plan = CliOptions.OptionalInteger("--plan", "BATCH", "Show the plan of one evaluation for a batch of images.", 1, 65536);
    private readonly NetworkOptions _network = new();
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var info = new InfoCommand();
        var command = new CliCommand("info", Description, Details) { info._file, info._tensors, info._plan, info._json };
        info._network.AddTo(command);
        command.SetAction(parsed => info.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string path = parsed.GetValue(_file)!;
        if (File.Exists(path) && PngText.IsPng(path))
        {
            PictureFacts.Write(context, path, parsed.GetValue(_json));
            return ExitCode.Success;
        }
        if (ClassifierFile.IsOnnx(path))
        {
            OnnxFacts.Write(context, path, parsed.GetValue(_json));
            return ExitCode.Success;
        }
        using var file = CheckpointFile.Open(path);
        var facts = CheckpointFacts.Read(file, _network, _network.From(parsed));
        string? plan = parsed.GetValue(_plan) is { } batch ? DescribePlan(path, batch, _network.From(parsed)) : null;
        if (parsed.GetValue(_json)) WriteJson(context, file, facts, parsed.GetValue(_tensors), plan);
        else WriteTables(context, file, facts, parsed.GetValue(_tensors), plan);
        return ExitCode.Success;
    }

    private static string DescribePlan(string path, int batch, PublishedSettings? settings)
    {
        using var model = DiffusionModel.Load(path, settings: settings);
        using var pass = new ForwardPlan(model, batch);
        return pass.Plan.Describe();
    }

    private static void WriteJson(CliContext context, CheckpointFile file, CheckpointFacts facts, bool tensors, string? plan)
    {
        var report = new JsonObject
        {
            ["file"] = file.Name,
            ["container"] = file.Container,
            ["kind"] = facts.Kind,
            ["parameters"] = facts.Parameters,
            ["tensor_count"] = file.Tensors.Count,
            ["bytes"] = facts.Bytes,
            ["dtypes"] = JsonReport.Node(facts.DTypes),
        };
        foreach (var (key, value) in facts.Metadata) report.TryAdd(key, value is JsonElement group ? JsonReport.Node(group) : value.ToString());
        if (tensors)
            report["tensors"] = JsonReport.List(file.Tensors.Select(t => new JsonObject
            {
                ["name"] = t.Name, ["dtype"] = t.DType.ToString().ToLowerInvariant(), ["shape"] = new JsonArray([.. t.Shape.Select(extent => (JsonNode?)extent)]),
            }));
        if (plan is not null) report["plan"] = plan;
        JsonReport.Write(context.Out, report);
    }

    private static void WriteTables(CliContext context, CheckpointFile file, CheckpointFacts facts, bool tensors, string? plan)
    {
        var console = context.OutConsole();
        var summary = NewTable("", "");
        summary.HideHeaders();
        void Add(string name, string value) => summary.AddRow(PlainText.Markup(name), PlainText.Markup(value));
        Add("file", file.Name);
        Add("container", file.Container);
        Add("kind", facts.Kind);
        Add("parameters", FormattableString.Invariant($"{facts.Parameters:#,0}"));
        Add("tensors", FormattableString.Invariant($"{file.Tensors.Count} ({string.Join(", ", facts.DTypes.Select(d => $"{d.Value} {d.Key}"))}), {facts.Bytes / 1e6:0.00} MB"));
        foreach (var (key, value) in facts.Metadata)
        {
            if (value is JsonElement { ValueKind: JsonValueKind.Object } group)
                foreach (var property in group.EnumerateObject()) Add($"{key}.{property.Name}", property.Value.ToString());
            else Add(key, value.ToString() ?? "");
        }
        console.Write(summary);
        if (tensors)
        {
            var list = NewTable("tensor", "type", "shape");
            foreach (var tensor in file.Tensors)
                list.AddRow(PlainText.Markup(tensor.Name), tensor.DType.ToString().ToLowerInvariant(), PlainText.Markup($"[{string.Join(", ", tensor.Shape)}]"));
            console.Write(list);
        }
        if (plan is not null) context.Out.Write(plan);
    }

    private static Table NewTable(params string[] columns)
    {
        var table = new Table { Border = TableBorder.None };
        foreach (string column in columns) table.AddColumn(new TableColumn(PlainText.Markup(column)) { Padding = new Padding(0, 0, 2, 0) });
        return table;
    }
}
