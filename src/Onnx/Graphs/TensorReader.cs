using System.Buffers.Binary;
using System.Globalization;
using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Onnx.Graphs;

/// <summary>Reads the constant tensors of a file, and those in files beside it.</summary>
/// <param name="path">The ONNX file.</param>
internal sealed class TensorReader(string path)
{
    /// <summary>Elements of one tensor: a file of 2 GB holds no more.</summary>
    private const long MostElements = 1 << 30;

    /// <summary>The extents, checked.</summary>
    /// <exception cref="CheckpointException">They are negative or too large.</exception>
    public int[] Dims(TensorProto tensor)
    {
        long count = 1;
        foreach (long extent in tensor.Dims)
        {
            if (extent is < 0 or > int.MaxValue || (count = checked(count * extent)) > MostElements)
                throw Error(tensor, $"its extents [{string.Join(", ", tensor.Dims)}] are not those of a tensor of at most {MostElements} elements");
        }
        return [.. tensor.Dims.Select(extent => (int)extent)];
    }

    /// <summary>The tensor; its elements are read when they are asked for, their number is checked now.</summary>
    /// <exception cref="CheckpointException">It does not hold what its extents and type say.</exception>
    public Constant Read(TensorProto tensor)
    {
        int[] dims = Dims(tensor);
        long count = dims.Aggregate(1L, (product, extent) => product * extent);
        int size = SizeOf(tensor.Type) is > 0 and var s ? s : throw Error(tensor, $"elements of type {tensor.Type} are not read");
        if (tensor.IsExternal)
        {
            var (file, offset, length) = External(tensor);
            if (length != count * size) throw Error(tensor, $"{length} bytes of another file do not hold {count} elements of type {tensor.Type}");
            return new Constant(dims, IsReal(tensor.Type), () => Convert(tensor, ReadExternal(file, offset, checked((int)length)), count));
        }
        if (tensor.Raw is { } raw)
        {
            if (raw.Length != count * size) throw Error(tensor, $"{raw.Length} bytes do not hold {count} elements of type {tensor.Type}");
            return new Constant(dims, IsReal(tensor.Type), () => Convert(tensor, raw.Span, count));
        }
        int held = tensor.Type switch
        {
            OnnxType.Float => tensor.Floats.Count,
            OnnxType.Double => tensor.Doubles.Count,
            OnnxType.Int64 or OnnxType.UInt32 or OnnxType.UInt64 => tensor.Int64s.Count,
            _ => tensor.Int32s.Count,
        };
        if (held != count) throw Error(tensor, $"{held} values are not the {count} elements of [{string.Join(", ", dims)}]");
        return new Constant(dims, IsReal(tensor.Type), () => tensor.Type switch
        {
            OnnxType.Float => ([.. tensor.Floats], null),
            OnnxType.Double => ([.. tensor.Doubles.Select(d => (float)d)], null),
            OnnxType.Float16 => ([.. tensor.Int32s.Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits))], null),
            OnnxType.BFloat16 => ([.. tensor.Int32s.Select(bits => BitConverter.Int32BitsToSingle((int)bits << 16))], null),
            OnnxType.Int64 or OnnxType.UInt32 or OnnxType.UInt64 => (null, [.. tensor.Int64s]),
            _ => (null, [.. tensor.Int32s]),
        });
    }

    private static bool IsReal(OnnxType type) => type is OnnxType.Float or OnnxType.Double or OnnxType.Float16 or OnnxType.BFloat16;

    private static int SizeOf(OnnxType type) => type switch
    {
        OnnxType.Bool or OnnxType.Int8 or OnnxType.UInt8 => 1,
        OnnxType.Int16 or OnnxType.UInt16 or OnnxType.Float16 or OnnxType.BFloat16 => 2,
        OnnxType.Float or OnnxType.Int32 or OnnxType.UInt32 => 4,
        OnnxType.Double or OnnxType.Int64 or OnnxType.UInt64 => 8,
        _ => 0,
    };

    private static (float[]? Reals, long[]? Integers) Convert(TensorProto tensor, ReadOnlySpan<byte> bytes, long count)
    {
        int size = SizeOf(tensor.Type);
        if (IsReal(tensor.Type))
        {
            float[] reals = new float[count];
            for (int i = 0; i < reals.Length; i++)
            {
                var element = bytes[(i * size)..];
                reals[i] = tensor.Type switch
                {
                    OnnxType.Float => BinaryPrimitives.ReadSingleLittleEndian(element),
                    OnnxType.Double => (float)BinaryPrimitives.ReadDoubleLittleEndian(element),
                    OnnxType.Float16 => (float)BinaryPrimitives.ReadHalfLittleEndian(element),
                    _ => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(element) << 16),
                };
            }
            return (reals, null);
        }
        long[] integers = new long[count];
        for (int i = 0; i < integers.Length; i++)
        {
            var element = bytes[(i * size)..];
            integers[i] = tensor.Type switch
            {
                OnnxType.Int8 => (sbyte)element[0],
                OnnxType.UInt8 or OnnxType.Bool => element[0],
                OnnxType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(element),
                OnnxType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(element),
                OnnxType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(element),
                OnnxType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(element),
                _ => BinaryPrimitives.ReadInt64LittleEndian(element),
            };
        }
        return (null, integers);
    }

    /// <summary>Where the elements are: a file in the folder of this one, or in a folder inside it.</summary>
    private (string File, long Offset, long Length) External(TensorProto tensor)
    {
        string Entry(string key) => tensor.External.FirstOrDefault(e => e.Key == key)?.Value ?? "";
        string location = Entry("location"), folder = Path.GetDirectoryName(Path.GetFullPath(path))!;
        string full = location.Length == 0 ? "" : Path.GetFullPath(Path.Combine(folder, location));
        if (location.Length == 0 || Path.IsPathRooted(location) || !full.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw Error(tensor, $"its elements are in {CheckpointException.Quote(location)}, which is not inside the folder of the file; put it there");
        var file = new FileInfo(full);
        if (!file.Exists) throw Error(tensor, $"its elements are in {CheckpointException.Quote(location)}, and there is no such file beside this one; put it there");
        if (file.ResolveLinkTarget(returnFinalTarget: true) is { } target && !target.FullName.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.Ordinal))
            throw Error(tensor, $"its elements are in {CheckpointException.Quote(location)}, a link that leaves the folder of the file; put the file itself there");
        long offset = Number("offset", 0), length = Number("length", file.Length - offset);
        if (offset < 0 || length < 0 || offset > file.Length - length) throw Error(tensor, $"its elements are {length} bytes from {offset} on of {CheckpointException.Quote(location)}, which has {file.Length}");
        return (full, offset, length);

        long Number(string key, long otherwise) => Entry(key) is { Length: > 0 } text
            ? long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out long value) ? value : throw Error(tensor, $"{key} {CheckpointException.Quote(text)} is not a number")
            : otherwise;
    }

    private static byte[] ReadExternal(string file, long offset, int length)
    {
        using var handle = File.OpenHandle(file);
        byte[] bytes = new byte[length];
        int done = 0;
        while (done < length)
        {
            int read = RandomAccess.Read(handle, bytes.AsSpan(done), offset + done);
            if (read == 0) throw new CheckpointException($"{file}: ended while it was read.");
            done += read;
        }
        return bytes;
    }

    private CheckpointException Error(TensorProto tensor, string what) => new($"{path}: tensor {CheckpointException.Quote(tensor.Name)}: {what}.");
}
