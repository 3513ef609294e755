using Google.Protobuf;

namespace NativeDiffusion.Onnx.Format;

/// <summary>Nodes, weights, inputs and outputs.</summary>
internal sealed class GraphProto : OnnxMessage
{
    public string Name { get; set; } = "";

    public List<NodeProto> Nodes { get; } = [];

    public List<TensorProto> Initializers { get; } = [];

    public List<ValueInfoProto> Inputs { get; } = [];

    public List<ValueInfoProto> Outputs { get; } = [];

    /// <summary>Weights in a sparse format.</summary>
    public int SparseInitializers { get; private set; }

    public override void WriteTo(CodedOutputStream output)
    {
        foreach (var node in Nodes) Write(output, 1, node);
        Write(output, 2, Name);
        foreach (var tensor in Initializers) Write(output, 5, tensor);
        foreach (var input in Inputs) Write(output, 11, input);
        foreach (var value in Outputs) Write(output, 12, value);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsText(type): Nodes.Add(ReadMessage<NodeProto>(ref input)); return true;
            case 2 when IsText(type): Name = input.ReadString(); return true;
            case 5 when IsText(type): Initializers.Add(ReadMessage<TensorProto>(ref input)); return true;
            case 11 when IsText(type): Inputs.Add(ReadMessage<ValueInfoProto>(ref input)); return true;
            case 12 when IsText(type): Outputs.Add(ReadMessage<ValueInfoProto>(ref input)); return true;
            case 15 when IsText(type): SparseInitializers++; return false;
            default: return false;
        }
    }
}

/// <summary>A call of an operator.</summary>
internal sealed class NodeProto : OnnxMessage
{
    public string Name { get; set; } = "";

    public string OpType { get; set; } = "";

    public string Domain { get; set; } = "";

    public List<string> Inputs { get; } = [];

    public List<string> Outputs { get; } = [];

    public List<AttributeProto> Attributes { get; } = [];

    public override void WriteTo(CodedOutputStream output)
    {
        foreach (string input in Inputs) Write(output, 1, input);
        foreach (string value in Outputs) Write(output, 2, value);
        Write(output, 3, Name);
        Write(output, 4, OpType);
        foreach (var attribute in Attributes) Write(output, 5, attribute);
        if (Domain.Length > 0) Write(output, 7, Domain);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        if (!IsText(type)) return false;
        switch (field)
        {
            case 1: Inputs.Add(input.ReadString()); return true;
            case 2: Outputs.Add(input.ReadString()); return true;
            case 3: Name = input.ReadString(); return true;
            case 4: OpType = input.ReadString(); return true;
            case 5: Attributes.Add(ReadMessage<AttributeProto>(ref input)); return true;
            case 7: Domain = input.ReadString(); return true;
            default: return false;
        }
    }
}

/// <summary>A constant argument of a node.</summary>
internal sealed class AttributeProto : OnnxMessage
{
    public string Name { get; set; } = "";

    public float? Float { get; set; }

    public long? Integer { get; set; }

    public string? Text { get; set; }

    public TensorProto? Tensor { get; set; }

    public List<float> Floats { get; } = [];

    public List<long> Integers { get; } = [];

    /// <summary>Whether it holds a graph: the body of a loop or of a branch.</summary>
    public bool HasGraph { get; private set; }

    public override void WriteTo(CodedOutputStream output)
    {
        Write(output, 1, Name);
        if (Float is { } real)
        {
            output.WriteTag(2, WireFormat.WireType.Fixed32);
            output.WriteFloat(real);
        }
        if (Integer is { } whole) Write(output, 3, whole);
        if (Text is not null) Write(output, 4, Text);
        if (Tensor is not null) Write(output, 5, Tensor);
        foreach (float value in Floats)
        {
            output.WriteTag(7, WireFormat.WireType.Fixed32);
            output.WriteFloat(value);
        }
        foreach (long value in Integers) Write(output, 8, value);
        Write(output, 20, Float is not null ? 1 : Integer is not null ? 2 : Text is not null ? 3 : Tensor is not null ? 4 : Floats.Count > 0 ? 6 : 7);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsText(type): Name = input.ReadString(); return true;
            case 2 when type == 5: Float = input.ReadFloat(); return true;
            case 3 when IsNumber(type): Integer = input.ReadInt64(); return true;
            case 4 when IsText(type): Text = input.ReadBytes().ToStringUtf8(); return true;
            case 5 when IsText(type): Tensor = ReadMessage<TensorProto>(ref input); return true;
            case 6 or 11 when IsText(type): HasGraph = true; return false;
            case 7 when IsText(type) || type == 5: ReadFloats(Floats, type, ref input); return true;
            case 8 when IsText(type) || IsNumber(type): ReadIntegers(Integers, type, ref input); return true;
            default: return false;
        }
    }
}
