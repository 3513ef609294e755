using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Onnx.Graphs;

/// <summary>A call of an operator, with its attributes by name.</summary>
internal sealed class OnnxNode
{
    private readonly Dictionary<string, AttributeProto> _attributes = [];
    private readonly TensorReader _tensors;
    private readonly string _file;

    public OnnxNode(NodeProto node, long opset, TensorReader tensors, string file)
    {
        (Op, Domain, Inputs, Outputs, Opset, _tensors, _file) = (node.OpType, node.Domain, [.. node.Inputs], [.. node.Outputs], opset, tensors, file);
        Name = node.Name.Length > 0 ? node.Name : Outputs.FirstOrDefault(o => o.Length > 0) ?? "";
        foreach (var attribute in node.Attributes) _attributes[attribute.Name] = attribute;
    }

    public string Op { get; }

    public string Domain { get; }

    /// <summary>The node's name or, without one, that of its result.</summary>
    public string Name { get; }

    public string[] Inputs { get; }

    public string[] Outputs { get; }

    public long Opset { get; }

    public bool HasGraph => _attributes.Values.Any(a => a.HasGraph);

    public bool Has(string name) => _attributes.ContainsKey(name);

    public long Integer(string name, long otherwise) => _attributes.GetValueOrDefault(name)?.Integer ?? otherwise;

    public float Real(string name, float otherwise) => _attributes.GetValueOrDefault(name)?.Float ?? otherwise;

    public string Text(string name, string otherwise) => _attributes.GetValueOrDefault(name)?.Text ?? otherwise;

    public long[]? Integers(string name) => _attributes.TryGetValue(name, out var attribute) ? [.. attribute.Integers] : null;

    public float[]? Reals(string name) => _attributes.TryGetValue(name, out var attribute) ? [.. attribute.Floats] : null;

    public Constant? Tensor(string name) => _attributes.GetValueOrDefault(name)?.Tensor is { } tensor ? _tensors.Read(tensor) : null;

    /// <summary>An error at this node.</summary>
    /// <param name="what">What it is about, and what to do.</param>
    public CheckpointException Error(string what) =>
        new($"{_file}: {CheckpointException.Quote(Domain.Length > 0 ? Domain + "." + Op : Op)}, node {CheckpointException.Quote(Name)}, opset {Opset}: {what}.");
}
