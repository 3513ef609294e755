using Google.Protobuf;

namespace NativeDiffusion.Onnx.Format;

/// <summary>A file: a graph, and the versions of the operators in it.</summary>
internal sealed class ModelProto : OnnxMessage
{
    public long IrVersion { get; set; }

    public string ProducerName { get; set; } = "";

    public string ProducerVersion { get; set; } = "";

    public GraphProto? Graph { get; set; }

    public List<OperatorSetProto> OpsetImport { get; } = [];

    public List<EntryProto> Metadata { get; } = [];

    /// <summary>Functions that the file defines for its own use.</summary>
    public int Functions { get; private set; }

    public override void WriteTo(CodedOutputStream output)
    {
        Write(output, 1, IrVersion);
        Write(output, 2, ProducerName);
        Write(output, 3, ProducerVersion);
        if (Graph is not null) Write(output, 7, Graph);
        foreach (var set in OpsetImport) Write(output, 8, set);
        foreach (var entry in Metadata) Write(output, 14, entry);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsNumber(type): IrVersion = input.ReadInt64(); return true;
            case 2 when IsText(type): ProducerName = input.ReadString(); return true;
            case 3 when IsText(type): ProducerVersion = input.ReadString(); return true;
            case 7 when IsText(type): Graph = ReadMessage<GraphProto>(ref input); return true;
            case 8 when IsText(type): OpsetImport.Add(ReadMessage<OperatorSetProto>(ref input)); return true;
            case 14 when IsText(type): Metadata.Add(ReadMessage<EntryProto>(ref input)); return true;
            case 25 when IsText(type): Functions++; return false;
            default: return false;
        }
    }
}

/// <summary>The version of the operators of a domain; "" is ONNX's own.</summary>
internal sealed class OperatorSetProto : OnnxMessage
{
    public string Domain { get; set; } = "";

    public long Version { get; set; }

    public override void WriteTo(CodedOutputStream output)
    {
        if (Domain.Length > 0) Write(output, 1, Domain);
        Write(output, 2, Version);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsText(type): Domain = input.ReadString(); return true;
            case 2 when IsNumber(type): Version = input.ReadInt64(); return true;
            default: return false;
        }
    }
}

/// <summary>A key and its value, both texts.</summary>
internal sealed class EntryProto : OnnxMessage
{
    public string Key { get; set; } = "";

    public string Value { get; set; } = "";

    public override void WriteTo(CodedOutputStream output)
    {
        Write(output, 1, Key);
        Write(output, 2, Value);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsText(type): Key = input.ReadString(); return true;
            case 2 when IsText(type): Value = input.ReadString(); return true;
            default: return false;
        }
    }
}
