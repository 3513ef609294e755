using NativeDiffusion.Kernels;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Onnx.Recording;

/// <summary>
/// Records a graph: every node becomes ops of the plan or, where its inputs are constants, a constant. Shapes are those of this recording, so arithmetic with them
/// is over before the plan runs.
/// </summary>
internal sealed partial class GraphRecorder
{
    /// <summary>Elements of a tensor that one image needs; more is no network but a mistake or an attack.</summary>
    private const long MostElements = 1L << 31;

    private static readonly Dictionary<string, Func<GraphRecorder, OnnxNode, Value?[], Value[]>> Ops = new[] { Convolutions, Normalisations, Pools, Products, Elements, Reductions, Arrangements }
        .SelectMany(list => list).ToDictionary();

    private readonly Dictionary<string, Value> _values = [];
    private readonly HashSet<OnnxNode> _done = [];
    private readonly OnnxGraph _graph;
    private readonly PlanBuilder _b;
    private readonly IWeights _weights;
    private readonly double _softplusBeta;
    private HashSet<string> _wanted = [];

    /// <param name="graph">The graph.</param>
    /// <param name="b">The plan.</param>
    /// <param name="weights">Where constants become tensors.</param>
    /// <param name="softplusBeta">beta of the softplus in place of every Relu; infinity keeps them.</param>
    public GraphRecorder(OnnxGraph graph, PlanBuilder b, IWeights weights, double softplusBeta) => (_graph, _b, _weights, _softplusBeta) = (graph, b, weights, softplusBeta);

    /// <summary>Names of the operators that are recorded or folded, for documentation and tests.</summary>
    public static IEnumerable<string> Operators => Ops.Keys.Concat(ConstantFolding.Operators).Concat([nameof(Shape), "Constant", "Identity"]).Distinct().Order(StringComparer.Ordinal);

    /// <summary>How many images the graph's first axis stands for where its file says one: shapes in it are then those of one image.</summary>
    public int ImagesForOne { get; init; } = 1;

    /// <summary>Records what some values need.</summary>
    /// <param name="inputs">The graph's inputs.</param>
    /// <param name="outputs">Names of the values.</param>
    /// <exception cref="CheckpointException">A node cannot be recorded; the message names it, and the remedy.</exception>
    public Value[] Record(IEnumerable<Value> inputs, IReadOnlyList<string> outputs)
    {
        foreach (var input in inputs) _values[input.Name] = input;
        foreach (var (name, constant) in _graph.Constants) _values[name] = Value.Of(name, constant);
        _wanted = [.. outputs];
        foreach (var node in _graph.NodesFor(outputs))
        {
            if (_done.Contains(node)) continue;
            try
            {
                Record(node);
            }
            catch (Exception e) when (e is ArgumentException or OverflowException or InvalidOperationException or IndexOutOfRangeException)
            {
                throw new CheckpointException(node.Error($"{e.Message.TrimEnd('.')}; its inputs are {string.Join(", ", node.Inputs.Select(i => _values.GetValueOrDefault(i)?.ToString() ?? "none"))}").Message, e);
            }
        }
        return [.. outputs.Select(name => _values.GetValueOrDefault(name) ?? throw new CheckpointException($"{_graph.File}: has no value {CheckpointException.Quote(name)}; its outputs are {string.Join(", ", _graph.Outputs.Select(o => o.ToString()))}."))];
    }

    /// <summary>The elements in the graph's own order of axes.</summary>
    public Tensor Plain(Value value) => Laid(value, Ascending(value.Rank)).Tensor!;

    private void Record(OnnxNode node)
    {
        Value?[] inputs = [.. node.Inputs.Select(name => name.Length == 0 ? null
            : _values.GetValueOrDefault(name) ?? throw node.Error($"its input {CheckpointException.Quote(name)} is not a result that is computed here; only the first results of such nodes are"))];
        _b.Scope = node.Name;
        var results = Results(node, inputs);
        for (int i = 0; i < Math.Min(results.Length, node.Outputs.Length); i++)
            if (node.Outputs[i].Length > 0)
                Set(node.Outputs[i], results[i]);
        _done.Add(node);
        _b.Scope = "";
    }

    private Value[] Results(OnnxNode node, Value?[] inputs)
    {
        if (node.Domain is not ("" or "ai.onnx"))
            throw node.Error($"operators of the domain {CheckpointException.Quote(node.Domain)} are not recorded; export the graph with ONNX's own operators (a runtime's optimiser, for example, left out)");
        if (node.HasGraph) throw node.Error("operators with a graph inside (If, Loop, Scan) are not recorded; export the graph without control flow, for example by tracing it");
        if (node.Opset < 7 && node.Has("axis") && node.Op is "Add" or "Sub" or "Mul" or "Div" or "Pow") throw node.Error("operands that are repeated along a named axis went with opset 7; convert the file with onnx.version_converter");
        if (node.Op is "Identity") return [inputs[0]!];
        if (node.Op == "Constant") return [Value.Of(node.Outputs[0], ConstantFolding.ConstantOf(node))];
        if (node.Op == nameof(Shape)) return [Value.Of(node.Outputs[0], ConstantFolding.ShapeOf(node, inputs[0]!.Dims))];
        if (node.Op == "Size") return [Value.Of(node.Outputs[0], new Constant([], [inputs[0]!.Count]))];
        if (inputs.All(i => i is null || i.Constant is not null) && ConstantFolding.TryFold(node, [.. inputs.Select(i => i?.Constant)]) is { } folded)
            return [.. folded.Select((constant, i) => Value.Of(i < node.Outputs.Length ? node.Outputs[i] : node.Name, constant))];
        return Ops.TryGetValue(node.Op, out var op)
            ? op(this, node, inputs)
            : throw node.Error("this operator is not recorded; export the graph without it, end it before (--output names a value), or take one of a network of convolutions or transformers. docs/onnx.md lists what is");
    }

    private void Set(string name, Value value) => _values[name] = value.Constant is { } constant
        ? Value.Of(name, constant)
        : Value.Of(name, value.Tensor!, value.Dims, value.Order, value.HasImages);

    /// <summary>The node that alone reads a value, if the value is nothing that was asked for.</summary>
    private OnnxNode? Next(string value, string op) => !_wanted.Contains(value) && _graph.OnlyUser(value) is { } node && node.Op == op && node.Domain.Length == 0 ? node : null;

    /// <summary>Notes a node that was recorded together with one before it.</summary>
    private string Absorb(OnnxNode node)
    {
        _done.Add(node);
        return node.Outputs[0];
    }

    /// <summary>A result in the graph's order of axes.</summary>
    private static Value Result(OnnxNode node, Tensor tensor, int[] dims, bool hasImages) => Result(node, tensor, dims, Ascending(dims.Length), hasImages);

    private static Value Result(OnnxNode node, Tensor tensor, int[] dims, int[] order, bool hasImages)
    {
        if (dims.Any(d => d < 1) || dims.Aggregate(1.0, (product, extent) => product * extent) > MostElements)
            throw node.Error($"its result [{string.Join(", ", dims)}] is empty or larger than {MostElements} elements");
        return Value.Of(node.Outputs.FirstOrDefault() ?? node.Name, tensor, dims, order, hasImages);
    }

    /// <summary>A value like another one, element by element.</summary>
    private static Value Like(OnnxNode node, Value x, Tensor tensor) => Value.Of(node.Outputs[0], tensor, x.Dims, x.Order, x.HasImages);

    /// <summary>Constant input of a node.</summary>
    private static Constant Required(OnnxNode node, Value?[] inputs, int index, string what) => inputs.ElementAtOrDefault(index) is { } value
        ? value.Constant ?? throw node.Error($"its {what} ({value}) is computed from the input, and only constant ones are recorded; export the graph for a fixed size")
        : throw node.Error($"it has no {what}");

    private static Constant? Optional(OnnxNode node, Value?[] inputs, int index, string what) => inputs.ElementAtOrDefault(index) is null ? null : Required(node, inputs, index, what);

    /// <summary>An axis of images: what mixes them would not be the graph's result of each.</summary>
    private void KeepImagesApart(OnnxNode node, Value x, int axis)
    {
        if (axis == 0 && x.HasImages && ImagesForOne > 1) throw node.Error("it mixes the images of a batch");
    }

    private static int[] Ascending(int rank) => [.. Enumerable.Range(0, rank)];
}
