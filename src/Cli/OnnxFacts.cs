using System.Text.Json.Nodes;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Onnx.Recording;
using Spectre.Console;

namespace NativeDiffusion.Cli;

/// <summary>What <c>info</c> says of an ONNX file.</summary>
internal static class OnnxFacts
{
    public static void Write(CliContext context, string path, bool json)
    {
        var graph = OnnxGraph.Load(path);
        var recorded = GraphRecorder.Operators.ToHashSet();
        var operators = graph.Nodes.GroupBy(n => n.Domain.Length > 0 ? $"{n.Domain}.{n.Op}" : n.Op).OrderByDescending(g => g.Count()).ThenBy(g => g.Key, StringComparer.Ordinal).ToArray();
        string[] missing = [.. operators.Select(g => g.Key).Where(op => !recorded.Contains(op))];
        long parameters = graph.Constants.Values.Where(c => c.IsReal).Sum(c => c.Count);
        (string Name, string Value)[] facts =
        [
            ("file", path), ("container", "onnx"), ("producer", graph.Producer), ("opset", $"{graph.Opset} (IR {graph.IrVersion})"),
            ("inputs", string.Join("; ", graph.Inputs.Select(i => i.ToString()))), ("outputs", string.Join("; ", graph.Outputs.Select(o => o.ToString()))),
            ("parameters", FormattableString.Invariant($"{parameters:#,0}")), ("operators", string.Join(", ", operators.Select(g => $"{g.Count()} {g.Key}"))),
            ("not recorded", missing.Length == 0 ? "none" : string.Join(", ", missing)), .. graph.Metadata.Select(m => ("file." + m.Key, m.Value.Length > 200 ? m.Value[..200] + "..." : m.Value)),
        ];
        if (json)
        {
            JsonReport.Write(context.Out, new JsonObject
            {
                ["file"] = path, ["container"] = "onnx", ["producer"] = graph.Producer, ["opset"] = graph.Opset, ["ir_version"] = graph.IrVersion, ["parameters"] = parameters,
                ["inputs"] = JsonReport.List(graph.Inputs.Select(i => i.ToString())), ["outputs"] = JsonReport.List(graph.Outputs.Select(o => o.ToString())),
                ["operators"] = new JsonObject(operators.Select(g => KeyValuePair.Create<string, JsonNode?>(g.Key, g.Count()))), ["not_recorded"] = JsonReport.List(missing),
            });
            return;
        }
        var table = new Table { Border = TableBorder.None };
        foreach (string column in (string[])["", ""]) table.AddColumn(new TableColumn(column) { Padding = new Padding(0, 0, 2, 0) });
        table.HideHeaders();
        foreach (var (name, value) in facts) table.AddRow(Markup.Escape(name), Markup.Escape(value));
        context.OutConsole().Write(table);
    }
}
