using Google.Protobuf;

namespace NativeDiffusion.Onnx.Format;

/// <summary>A constant tensor: elements in one of several fields by its type, or as raw bytes here or in another file.</summary>
internal sealed class TensorProto : OnnxMessage
{
    public string Name { get; set; } = "";

    public List<long> Dims { get; } = [];

    public OnnxType Type { get; set; }

    public List<float> Floats { get; } = [];

    /// <summary>Integers of up to 32 bits, and the bits of float16 and bfloat16.</summary>
    public List<long> Int32s { get; } = [];

    public List<long> Int64s { get; } = [];

    public List<double> Doubles { get; } = [];

    public ByteString? Raw { get; set; }

    public List<EntryProto> External { get; } = [];

    /// <summary>Whether the elements are in another file.</summary>
    public bool IsExternal { get; set; }

    public override void WriteTo(CodedOutputStream output)
    {
        foreach (long extent in Dims) Write(output, 1, extent);
        Write(output, 2, (long)Type);
        Write(output, 8, Name);
        if (Raw is not null)
        {
            output.WriteTag(9, WireFormat.WireType.LengthDelimited);
            output.WriteBytes(Raw);
        }
        foreach (var entry in External) Write(output, 13, entry);
        if (IsExternal) Write(output, 14, 1);
    }

    protected override bool Read(int field, int type, uint tag, ref ParseContext input)
    {
        switch (field)
        {
            case 1 when IsText(type) || IsNumber(type): ReadIntegers(Dims, type, ref input); return true;
            case 2 when IsNumber(type): Type = (OnnxType)input.ReadInt32(); return true;
            case 4 when IsText(type) || type == 5: ReadFloats(Floats, type, ref input); return true;
            case 5 when IsText(type) || IsNumber(type): ReadIntegers(Int32s, type, ref input); return true;
            case 7 or 11 when IsText(type) || IsNumber(type): ReadIntegers(Int64s, type, ref input); return true;
            case 8 when IsText(type): Name = input.ReadString(); return true;
            case 9 when IsText(type): Raw = input.ReadBytes(); return true;
            case 10 when type == 1: Doubles.Add(input.ReadDouble()); return true;
            case 10 when IsText(type):
                var packed = input.ReadBytes().CreateCodedInput();
                while (!packed.IsAtEnd) Doubles.Add(packed.ReadDouble());
                return true;
            case 13 when IsText(type): External.Add(ReadMessage<EntryProto>(ref input)); return true;
            case 14 when IsNumber(type): IsExternal = input.ReadInt32() == 1; return true;
            default: return false;
        }
    }
}

/// <summary>Types of elements, by their numbers in the format.</summary>
internal enum OnnxType
{
    Undefined,
    Float,
    UInt8,
    Int8,
    UInt16,
    Int16,
    Int32,
    Int64,
    String,
    Bool,
    Float16,
    Double,
    UInt32,
    UInt64,
    Complex64,
    Complex128,
    BFloat16,
}
