using Google.Protobuf;

namespace NativeDiffusion.Onnx.Format;

/// <summary>Name, type and shape of an input or output.</summary>
internal sealed class ValueInfoProto : OnnxMessage
{
    public string Name { get; set; } = "";

    public TypeProto? Type { get; set; }

    public override void WriteTo(CodedOutputStream output)
    {
        Write(output, 1, Name);
        if (Type is not null) Write(output, 2, Type);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsText(type): Name = input.ReadString(); return true;
            case 2 when IsText(type): Type = ReadMessage<TypeProto>(ref input); return true;
            default: return false;
        }
    }
}

/// <summary>A type; only that of tensors is looked at.</summary>
internal sealed class TypeProto : OnnxMessage
{
    public TensorTypeProto? Tensor { get; set; }

    public override void WriteTo(CodedOutputStream output)
    {
        if (Tensor is not null) Write(output, 1, Tensor);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        if (field != 1 || !IsText(type)) return false;
        Tensor = ReadMessage<TensorTypeProto>(ref input);
        return true;
    }
}

/// <summary>Element type and shape.</summary>
internal sealed class TensorTypeProto : OnnxMessage
{
    public OnnxType Element { get; set; }

    public ShapeProto? Shape { get; set; }

    public override void WriteTo(CodedOutputStream output)
    {
        Write(output, 1, (long)Element);
        if (Shape is not null) Write(output, 2, Shape);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsNumber(type): Element = (OnnxType)input.ReadInt32(); return true;
            case 2 when IsText(type): Shape = ReadMessage<ShapeProto>(ref input); return true;
            default: return false;
        }
    }
}

/// <summary>Extents.</summary>
internal sealed class ShapeProto : OnnxMessage
{
    public List<DimensionProto> Dimensions { get; } = [];

    public override void WriteTo(CodedOutputStream output)
    {
        foreach (var dimension in Dimensions) Write(output, 1, dimension);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        if (field != 1 || !IsText(type)) return false;
        Dimensions.Add(ReadMessage<DimensionProto>(ref input));
        return true;
    }
}

/// <summary>An extent: a number, or the name of one that is free.</summary>
internal sealed class DimensionProto : OnnxMessage
{
    public long? Value { get; set; }

    public string Name { get; set; } = "";

    public override void WriteTo(CodedOutputStream output)
    {
        if (Value is { } value) Write(output, 1, value);
        else if (Name.Length > 0) Write(output, 2, Name);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsNumber(type): Value = input.ReadInt64(); return true;
            case 2 when IsText(type): Name = input.ReadString(); return true;
            default: return false;
        }
    }
}
