using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>The header of NumPy's <c>.npy</c> files, versions 1 to 3: magic, length, and a Python dictionary as text.</summary>
/// <param name="Type">Element type.</param>
/// <param name="BigEndian">Whether the elements are big-endian.</param>
/// <param name="FortranOrder">Whether the first extent is innermost.</param>
/// <param name="Shape">Extents.</param>
/// <param name="Length">Bytes from the magic to the first element.</param>
internal sealed record NpyHeader(DType Type, bool BigEndian, bool FortranOrder, long[] Shape, int Length)
{
    private const int LongestText = 1 << 16;
    private const int HighestRank = 32;

    private static readonly (string Name, DType Type)[] Names =
    [
        ("f8", DType.F64), ("f4", DType.F32), ("f2", DType.F16), ("i8", DType.I64), ("i4", DType.I32), ("i2", DType.I16), ("i1", DType.I8),
        ("u8", DType.U64), ("u4", DType.U32), ("u2", DType.U16), ("u1", DType.U8), ("b1", DType.Bool),
    ];

    /// <summary>The type of a code without byte order, <c>f4</c> for example; null for one that is not read.</summary>
    public static DType? TypeOf(string code) => Array.Find(Names, n => n.Name == code) is { Name: not null } found ? found.Type : null;

    public static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Size of the elements in bytes; null where 64 bits cannot count them.</summary>
    public long? DataBytes
    {
        get
        {
            Int128 bytes = ElementConversion.SizeOf(Type);
            foreach (long extent in Shape)
                if ((bytes *= extent) > long.MaxValue)
                    return Shape.Contains(0) ? 0 : null;
            return (long)bytes;
        }
    }

    /// <summary>Strides in elements; null for the usual order.</summary>
    public long[]? Strides
    {
        get
        {
            if (!FortranOrder)
                return null;
            long[] strides = new long[Shape.Length];
            long step = 1;
            for (int i = 0; i < strides.Length; step *= Shape[i++])
                strides[i] = step;
            return strides;
        }
    }

    /// <summary>Reads a stream up to the first element.</summary>
    /// <exception cref="InvalidDataException">The message says what is wrong, without a file name.</exception>
    public static NpyHeader Read(Stream stream)
    {
        byte[] start = ReadExactly(stream, 8);
        if (!start.AsSpan().StartsWith(Magic))
            throw new InvalidDataException("the .npy magic is missing");
        if (start[6] is < 1 or > 3)
            throw new InvalidDataException($".npy version {start[6]} is not supported, only 1 to 3");
        byte[] lengthBytes = ReadExactly(stream, start[6] == 1 ? 2 : 4);
        uint length = lengthBytes.Length == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(lengthBytes) : BinaryPrimitives.ReadUInt32LittleEndian(lengthBytes);
        if (length > LongestText)
            throw new InvalidDataException($"the .npy header declares {length} bytes, more than {LongestText}");
        return Parse(Encoding.Latin1.GetString(ReadExactly(stream, (int)length)), start.Length + lengthBytes.Length + (int)length);
    }

    /// <summary>A header of version 1, a multiple of 64 bytes long; null for a type that NumPy does not have.</summary>
    public static byte[]? Write(DType type, ReadOnlySpan<long> shape)
    {
        string? name = Names.FirstOrDefault(n => n.Type == type).Name;
        if (name is null)
            return null;
        string extents = shape.Length == 1 ? $"{shape[0]}," : string.Join(", ", shape.ToArray());
        string order = name[1] == '1' ? "|" : "<";
        string text = $"{{'descr': '{order}{name}', 'fortran_order': False, 'shape': ({extents}), }}";
        text = text.PadRight((10 + text.Length + 1 + 63) / 64 * 64 - 11) + "\n";
        return [.. Magic, 1, 0, (byte)text.Length, (byte)(text.Length >> 8), .. Encoding.ASCII.GetBytes(text)];
    }

    private static byte[] ReadExactly(Stream stream, int count)
    {
        byte[] bytes = new byte[count];
        int got = stream.ReadAtLeast(bytes, count, throwOnEndOfStream: false);
        return got == count ? bytes : throw new InvalidDataException($"it is truncated: {count} bytes should follow, {got} do");
    }

    private static NpyHeader Parse(string text, int length)
    {
        string description = Value(text, "descr");
        string name = description.Trim('\'', '"');
        (_, DType type) = Array.Find(Names, n => name.Length == 3 && name[0] is '<' or '>' or '|' or '=' && n.Name == name[1..]) is { Name: not null } found
            ? found
            : throw new InvalidDataException($"number type {CheckpointException.Quote(description)} is not supported, only {string.Join(", ", Names.Select(n => n.Name))}");
        bool fortran = Value(text, "fortran_order") switch
        {
            "False" => false,
            "True" => true,
            var other => throw new InvalidDataException($"fortran_order is {CheckpointException.Quote(other)}"),
        };
        string tuple = Value(text, "shape");
        if (!tuple.StartsWith('(') || !tuple.EndsWith(')'))
            throw new InvalidDataException($"the shape {CheckpointException.Quote(tuple)} is not a tuple");
        string[] parts = tuple[1..^1].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length > HighestRank)
            throw new InvalidDataException($"the shape has {parts.Length} dimensions, more than {HighestRank}");
        long[] shape = Array.ConvertAll(parts, part => long.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out long size)
            ? size
            : throw new InvalidDataException($"the shape {CheckpointException.Quote(tuple)} has the size {CheckpointException.Quote(part)}"));
        return new NpyHeader(type, name[0] == '>', fortran, shape, length);
    }

    // The text of one value: up to the closing parenthesis for a tuple, else up to the next comma or brace.
    private static string Value(string header, string key)
    {
        int at = header.IndexOf($"'{key}'", StringComparison.Ordinal);
        if (at < 0)
            at = header.IndexOf($"\"{key}\"", StringComparison.Ordinal);
        int colon = at < 0 ? -1 : header.IndexOf(':', at);
        if (colon < 0)
            throw new InvalidDataException($"the .npy header has no '{key}'");
        string rest = header[(colon + 1)..].TrimStart();
        int end = rest.StartsWith('(') ? rest.IndexOf(')') + 1 : rest.IndexOfAny([',', '}']);
        return end > 0 ? rest[..end].Trim() : throw new InvalidDataException($"the .npy header has no value for '{key}'");
    }
}
