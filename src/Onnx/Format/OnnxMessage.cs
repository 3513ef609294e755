using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace NativeDiffusion.Onnx.Format;

/// <summary>
/// A message of ONNX's schema, of which the fields that are used are declared by hand; others are skipped. The library reads and writes the wire format: see adr/0009.
/// </summary>
internal abstract class OnnxMessage : IBufferMessage
{
    private const int LengthDelimited = 2, Varint = 0;

    /// <inheritdoc/>
    public MessageDescriptor Descriptor => throw new NotSupportedException("These messages are read and written, not reflected on.");

    /// <summary>The message in the wire format.</summary>
    public byte[] ToBytes()
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true)) WriteTo(output);
        return stream.ToArray();
    }

    /// <inheritdoc/>
    public void InternalMergeFrom(ref ParseContext input)
    {
        for (uint tag = input.ReadTag(); tag != 0; tag = input.ReadTag())
            if (!Read((int)(tag >> 3), (int)(tag & 7), tag, ref input)) _ = UnknownFieldSet.MergeFieldFrom(null, ref input);
    }

    /// <inheritdoc/>
    public void InternalWriteTo(ref WriteContext output) => throw new NotSupportedException();

    /// <inheritdoc/>
    public void MergeFrom(CodedInputStream input) => throw new NotSupportedException();

    /// <inheritdoc/>
    public int CalculateSize() => throw new NotSupportedException();

    /// <inheritdoc/>
    public abstract void WriteTo(CodedOutputStream output);

    /// <summary>Reads a field that is known and of the wire type expected; false for any other.</summary>
    protected abstract bool Read(int field, int type, uint tag, ref ParseContext input);

    protected static bool IsText(int type) => type == LengthDelimited;

    protected static bool IsNumber(int type) => type == Varint;

    protected static T ReadMessage<T>(ref ParseContext input)
        where T : OnnxMessage, new()
    {
        var message = new T();
        input.ReadMessage(message);
        return message;
    }

    /// <summary>Integers, packed or one by one.</summary>
    protected static void ReadIntegers(List<long> to, int type, ref ParseContext input)
    {
        if (type == Varint)
        {
            to.Add(input.ReadInt64());
            return;
        }
        var packed = input.ReadBytes().CreateCodedInput();
        while (!packed.IsAtEnd) to.Add(packed.ReadInt64());
    }

    /// <summary>Floats, packed or one by one.</summary>
    protected static void ReadFloats(List<float> to, int type, ref ParseContext input)
    {
        if (type != LengthDelimited)
        {
            to.Add(input.ReadFloat());
            return;
        }
        var packed = input.ReadBytes().CreateCodedInput();
        while (!packed.IsAtEnd) to.Add(packed.ReadFloat());
    }

    protected static void Write(CodedOutputStream output, int field, OnnxMessage message) => Write(output, field, message.ToBytes());

    protected static void Write(CodedOutputStream output, int field, byte[] bytes)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(UnsafeByteOperations.UnsafeWrap(bytes));
    }

    protected static void Write(CodedOutputStream output, int field, string text)
    {
        output.WriteTag(field, WireFormat.WireType.LengthDelimited);
        output.WriteString(text);
    }

    protected static void Write(CodedOutputStream output, int field, long number)
    {
        output.WriteTag(field, WireFormat.WireType.Varint);
        output.WriteInt64(number);
    }
}
