using System.Runtime.InteropServices;
using Google.Protobuf;
using NativeDiffusion.Onnx.Format;

namespace NativeDiffusion.Tests.Onnx;

/// <summary>Writes small ONNX graphs.</summary>
internal sealed class OnnxFile
{
    private readonly Random _random = new(5);

    public OnnxFile(int opset = 17, params int[] input)
    {
        Model.OpsetImport.Add(new OperatorSetProto { Version = opset });
        Model.Graph!.Inputs.Add(Info("x", input));
    }

    public ModelProto Model { get; } = new() { IrVersion = 8, ProducerName = "tests", Graph = new GraphProto { Name = "g" } };

    /// <summary>Adds a node; its only result is returned.</summary>
    public string Node(string op, string[] inputs, params (string Name, object Value)[] attributes) => Node(op, inputs, 1, attributes)[0];

    /// <summary>Adds a node of several results.</summary>
    public string[] Node(string op, string[] inputs, int results, params (string Name, object Value)[] attributes)
    {
        var node = new NodeProto { OpType = op, Name = $"{op}{Model.Graph!.Nodes.Count}" };
        node.Inputs.AddRange(inputs);
        for (int i = 0; i < results; i++) node.Outputs.Add($"{node.Name}.{i}");
        foreach (var (name, value) in attributes)
        {
            var attribute = new AttributeProto { Name = name };
            switch (value)
            {
                case int whole: attribute.Integer = whole; break;
                case float real: attribute.Float = real; break;
                case string text: attribute.Text = text; break;
                case int[] list: attribute.Integers.AddRange(list.Select(v => (long)v)); break;
                default: attribute.Floats.AddRange((float[])value); break;
            }
            node.Attributes.Add(attribute);
        }
        Model.Graph.Nodes.Add(node);
        return [.. node.Outputs];
    }

    /// <summary>Adds a weight of random elements.</summary>
    public string Weight(string name, double scale, params int[] dims) =>
        Weight(name, dims, [.. Enumerable.Range(0, dims.Aggregate(1, (p, e) => p * e)).Select(_ => (float)((_random.NextDouble() * 2 - 1) * scale))]);

    /// <summary>Adds a weight of random elements above 0.</summary>
    public string Positive(string name, params int[] dims) => Weight(name, dims, [.. Enumerable.Range(0, dims.Aggregate(1, (p, e) => p * e)).Select(_ => (float)(_random.NextDouble() + 0.5))]);

    public string Weight(string name, int[] dims, float[] values) => Add(name, dims, OnnxType.Float, MemoryMarshal.AsBytes<float>(values));

    public string Integers(string name, params long[] values) => Add(name, [values.Length], OnnxType.Int64, MemoryMarshal.AsBytes<long>(values));

    public string Add(string name, int[] dims, OnnxType type, ReadOnlySpan<byte> bytes)
    {
        var tensor = new TensorProto { Name = name, Type = type, Raw = ByteString.CopyFrom(bytes) };
        tensor.Dims.AddRange(dims.Select(d => (long)d));
        Model.Graph!.Initializers.Add(tensor);
        return name;
    }

    /// <summary>Writes the file, whose output is the last node's.</summary>
    public void Save(string path)
    {
        if (Model.Graph!.Outputs.Count == 0) Model.Graph.Outputs.Add(Info(Model.Graph.Nodes[^1].Outputs[0]));
        File.WriteAllBytes(path, Model.ToBytes());
    }

    /// <summary>A small classifier of images [N,C,S,S].</summary>
    public static OnnxFile Classifier(int channels, int size, int classes, int? batch = null)
    {
        var file = new OnnxFile(13, batch ?? 0, channels, size, size);
        string h = file.Node("Conv", ["x", file.Weight("w1", 0.4, 8, channels, 3, 3), file.Weight("b1", 0.1, 8)], ("pads", new[] { 1, 1, 1, 1 }), ("strides", new[] { 2, 2 }));
        h = file.Node("Relu", [h]);
        h = file.Node("Conv", [h, file.Weight("w2", 0.3, 8, 8, 3, 3)], ("pads", new[] { 1, 1, 1, 1 }));
        h = file.Node("BatchNormalization", [h, file.Positive("g", 8), file.Weight("s", 0.2, 8), file.Weight("m", 0.2, 8), file.Positive("v", 8)]);
        h = file.Node("Relu", [h]);
        h = file.Node("GlobalAveragePool", [h]);
        h = file.Node("Flatten", [h]);
        h = file.Node("Gemm", [h, file.Weight("w3", 2, classes, 8), file.Weight("b3", 0.3, classes)], ("transB", 1));
        file.Node("Softmax", [h], ("axis", 1));
        return file;
    }

    public static ValueInfoProto Info(string name, params int[] dims)
    {
        var shape = new ShapeProto();
        foreach (int extent in dims) shape.Dimensions.Add(extent > 0 ? new DimensionProto { Value = extent } : new DimensionProto { Name = "batch" });
        return new ValueInfoProto { Name = name, Type = new TypeProto { Tensor = new TensorTypeProto { Element = OnnxType.Float, Shape = dims.Length == 0 ? null : shape } } };
    }
}
