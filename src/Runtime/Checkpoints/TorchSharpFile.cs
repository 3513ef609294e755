using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// TorchSharp's own weight files, which have no magic number and are known only by being read to their end: of <c>Module.save</c> a count and that many entries of name and tensor, of
/// <c>tensor.Save</c> a tensor alone. Numbers are LEB128; a tensor is type, rank, extents and row-major little-endian elements. Facts by files of TorchSharp 0.107.0.
/// </summary>
internal static class TorchSharpFile
{
    private const string Module = "TorchSharp module", Single = "TorchSharp tensor", SingleName = "tensor";
    private const int LongestName = 4096, MostEntries = 1_000_000, MostRank = 32;

    // libtorch's element types; complex numbers are none of this library's and are left out, as everywhere.
    private static readonly Dictionary<int, (DType? Type, int Size)> Types = new()
    {
        [0] = (DType.U8, 1), [1] = (DType.I8, 1), [2] = (DType.I16, 2), [3] = (DType.I32, 4), [4] = (DType.I64, 8), [5] = (DType.F16, 2), [6] = (DType.F32, 4), [7] = (DType.F64, 8),
        [9] = (null, 8), [10] = (null, 16), [11] = (DType.Bool, 1), [15] = (DType.BF16, 2),
    };

    private static readonly string[] Optimisers = ["Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "ASGD", "LBFGS", "NAdam", "RAdam", "RMSProp", "Rprop", "SGD"];

    /// <summary>The file's tensors, or null where it is no such file.</summary>
    /// <exception cref="CheckpointException">It is one that is cut short, or the state of an optimiser.</exception>
    public static CheckpointFile? TryOpen(ByteSource source, string name)
    {
        if (OptimiserOf(source) is { } optimiser)
            throw new CheckpointException($"{name}: is the state of TorchSharp's optimiser {optimiser}, not weights; give the file of Module.save.");
        if (WalkEntries(source, name) is { } entries) return new ContainerFile(name, Module, entries, new Dictionary<string, string>(), [source]);
        return ReadTensor(source, 0, out long end) is { Type: { } type } tensor && end == source.Length
            ? new ContainerFile(name, Single, [Describe(source, SingleName, tensor, type)], new Dictionary<string, string>(), [source]) : null;
    }

    private static List<TensorInfo>? WalkEntries(ByteSource source, string file)
    {
        long at = 0;
        if (Number(source, ref at) is not (> 0 and <= MostEntries and var count)) return null;
        List<TensorInfo> tensors = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        int whole = 0;
        for (; whole < count; whole++)
        {
            if (Name(source, ref at) is not { } name || ReadTensor(source, at, out long end) is not { } tensor) break;
            if (end > source.Length)
                throw new CheckpointException(
                    $"{file}: is cut short: by its form a file of TorchSharp's Module.save, whose tensor {CheckpointException.Quote(name)} {TensorInfo.ShapeText(tensor.Shape)} should end at byte {end} of {source.Length}. Copy or save it again.");
            // A parameter that two modules share is written twice.
            if (tensor.Type is { } type && names.Add(name)) tensors.Add(Describe(source, name, tensor, type));
            at = end;
        }
        if (whole == count && at == source.Length) return tensors;
        // What begins as such a file for several tensors is one.
        return whole > 1 && at >= source.Length - LongestName
            ? throw new CheckpointException($"{file}: is cut short or longer than it should be: by its form a file of TorchSharp's Module.save of {count} tensors, of which {whole} are whole. Copy or save it again.")
            : null;
    }

    private static TensorInfo Describe(ByteSource source, string name, Found tensor, DType type) => new(name, type, tensor.Shape, tensor.Bytes, new RawStorage(source, tensor.Begin, tensor.Bytes), 0);

    /// <summary>The head of a tensor; null where there is none. <paramref name="end"/> may lie behind the source's.</summary>
    private static Found? ReadTensor(ByteSource source, long at, out long end)
    {
        end = 0;
        if (Number(source, ref at) is not { } code || !Types.TryGetValue((int)Math.Min(code, int.MaxValue), out var type) || Number(source, ref at) is not (<= MostRank and var rank)) return null;
        long[] shape = new long[rank];
        long bytes = type.Size;
        for (int i = 0; i < shape.Length; i++)
        {
            if (Number(source, ref at) is not { } extent) return null;
            shape[i] = extent;
        }
        try
        {
            bytes = shape.Contains(0) ? 0 : shape.Aggregate(bytes, (product, extent) => checked(product * extent));
            end = checked(at + bytes);
        }
        catch (OverflowException)
        {
            return null;
        }
        return new Found(type.Type, shape, at, bytes);
    }

    private static string? Name(ByteSource source, ref long at)
    {
        if (Number(source, ref at) is not (> 0 and <= LongestName and var length) || at + length > source.Length) return null;
        byte[] bytes = new byte[length];
        source.Read(at, bytes);
        at += length;
        try
        {
            string name = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes);
            return name.Any(char.IsControl) ? null : name;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    /// <summary>An unsigned LEB128 number of at most 63 bits; null where there is none.</summary>
    private static long? Number(ByteSource source, ref long at)
    {
        Span<byte> bytes = stackalloc byte[9];
        bytes = bytes[..(int)Math.Clamp(source.Length - at, 0, bytes.Length)];
        source.Read(at, bytes);
        long value = 0;
        for (int i = 0; i < bytes.Length; i++)
        {
            value |= (long)(bytes[i] & 127) << 7 * i;
            if (bytes[i] >= 128) continue;
            at += i + 1;
            return value;
        }
        return null;
    }

    // The name of the class, then numbers.
    private static string? OptimiserOf(ByteSource source)
    {
        Span<byte> start = stackalloc byte[16];
        start = start[..(int)Math.Min(start.Length, source.Length)];
        source.Read(0, start);
        foreach (string optimiser in Optimisers)
            if (start.Length > optimiser.Length + 1 && start[0] == optimiser.Length && start[1..].StartsWith(Encoding.ASCII.GetBytes(optimiser)) && start[optimiser.Length + 1] is > 0 and < 32)
                return optimiser;
        return null;
    }

    private sealed record Found(DType? Type, long[] Shape, long Begin, long Bytes);
}
