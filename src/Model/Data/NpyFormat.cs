using System.Buffers.Binary;
using System.Globalization;
using System.Text;

namespace NativeDiffusion.Model.Data;

/// <summary>The <c>.npy</c> file format, versions 1 and 2: magic, header (a Python dictionary as text), values.</summary>
internal static class NpyFormat
{
    private const int MaxHeaderBytes = 1 << 16;
    private const int MaxDimensions = 32;
    private static readonly string[] Descriptions = ["|u1", "<i4", "<i8", "<f4", "<f8"];

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    internal static void Write(Stream stream, NpyArray array)
    {
        string shape = array.Shape.Count == 1 ? $"{array.Shape[0]}," : string.Join(", ", array.Shape);
        string header = $"{{'descr': '{Descriptions[(int)array.Type]}', 'fortran_order': False, 'shape': ({shape}), }}";
        // Spaces make magic, version, length and header, which ends in a line feed, a multiple of 64 bytes.
        header = header.PadRight((10 + header.Length + 1 + 63) / 64 * 64 - 11) + "\n";
        stream.Write(Magic);
        stream.Write([1, 0, (byte)header.Length, (byte)(header.Length >> 8)]);
        stream.Write(Encoding.ASCII.GetBytes(header));
        stream.Write(array.Data.Span);
    }

    /// <param name="stream">Positioned at the magic; read to its end.</param>
    /// <param name="mostBytes">Upper bound of what the stream can hold, so that no header makes us allocate more.</param>
    /// <exception cref="InvalidDataException">The message says what is wrong, without a file name.</exception>
    internal static NpyArray Read(Stream stream, long mostBytes)
    {
        byte[] start = ReadExactly(stream, 8);
        if (!start.AsSpan().StartsWith(Magic))
            throw new InvalidDataException("the .npy magic is missing");
        if (start[6] is not (1 or 2))
            throw new InvalidDataException($".npy version {start[6]} is not supported, only 1 and 2");
        byte[] lengthBytes = ReadExactly(stream, start[6] == 1 ? 2 : 4);
        uint length = lengthBytes.Length == 2 ? BinaryPrimitives.ReadUInt16LittleEndian(lengthBytes) : BinaryPrimitives.ReadUInt32LittleEndian(lengthBytes);
        if (length > MaxHeaderBytes)
            throw new InvalidDataException($"the .npy header declares {length} bytes, more than {MaxHeaderBytes}");
        (NpyType type, int[] shape) = ParseHeader(Encoding.Latin1.GetString(ReadExactly(stream, (int)length)));

        long bytes = NpyArray.ItemBytes(type);
        foreach (int size in shape)
        {
            // Both factors are below 2^31, so the product cannot overflow before it is checked.
            bytes *= size;
            if (bytes > Array.MaxLength)
                throw new InvalidDataException($"shape ({string.Join(", ", shape)}) needs more than {Array.MaxLength} bytes");
        }

        if (bytes > mostBytes)
            throw new InvalidDataException($"shape ({string.Join(", ", shape)}) needs {bytes} bytes, more than the file can hold");
        byte[] data = ReadExactly(stream, (int)bytes);
        if (stream.ReadByte() >= 0)
            throw new InvalidDataException($"it goes on after the {bytes} bytes of shape ({string.Join(", ", shape)})");
        return new NpyArray(type, shape, data);
    }

    private static byte[] ReadExactly(Stream stream, int count)
    {
        byte[] bytes = new byte[count];
        int got = stream.ReadAtLeast(bytes, count, throwOnEndOfStream: false);
        return got == count ? bytes : throw new InvalidDataException($"it is truncated: {count} bytes should follow, {got} do");
    }

    private static (NpyType Type, int[] Shape) ParseHeader(string header)
    {
        string description = Value(header, "descr");
        string name = description.Trim('\'', '"');
        int type = Array.IndexOf(Descriptions, name == "<u1" ? "|u1" : name);
        if (type < 0)
            throw new InvalidDataException($"number type {description} is not supported, only {string.Join(", ", Descriptions)}");
        string order = Value(header, "fortran_order");
        if (order != "False")
            throw new InvalidDataException($"fortran_order is {order}; only arrays in C order are read (save numpy.ascontiguousarray(a))");

        string tuple = Value(header, "shape");
        if (!tuple.StartsWith('(') || !tuple.EndsWith(')'))
            throw new InvalidDataException($"the shape {tuple} is not a tuple");
        string[] parts = tuple[1..^1].Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (parts.Length > MaxDimensions)
            throw new InvalidDataException($"the shape has {parts.Length} dimensions, more than {MaxDimensions}");
        return ((NpyType)type, Array.ConvertAll(parts, part =>
            int.TryParse(part, NumberStyles.None, CultureInfo.InvariantCulture, out int size)
                ? size
                : throw new InvalidDataException($"the shape {tuple} has the size '{part}'")));
    }

    /// <summary>The text of one value: up to the closing parenthesis for a tuple, else up to the next comma or brace.</summary>
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
