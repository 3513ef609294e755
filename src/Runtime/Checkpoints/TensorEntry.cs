using System.Globalization;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>One tensor to be written to a checkpoint: name, dtype, shape, and how to produce its bytes.</summary>
public sealed class TensorEntry
{
    private const int ChunkElements = 1 << 14;

    /// <summary>A tensor whose bytes are produced by a delegate while the file is being written.</summary>
    /// <param name="name">The key in the file.</param>
    /// <param name="dtype">How the elements are stored.</param>
    /// <param name="shape">Extents, outermost first; empty for a scalar.</param>
    /// <param name="write">Writes exactly <see cref="ByteLength"/> bytes: the elements, row-major, little endian.</param>
    /// <exception cref="ArgumentException">An extent is negative, or the size overflows 64 bits.</exception>
    public TensorEntry(string name, DType dtype, ReadOnlySpan<long> shape, Action<Stream> write)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(write);
        Name = name;
        DType = dtype;
        Shape = shape.ToArray();
        Write = write;
        long bytes = ElementConversion.SizeOf(dtype);
        foreach (long extent in shape)
        {
            if (extent < 0 || bytes > 0 && extent > long.MaxValue / bytes)
                throw new ArgumentException($"Tensor '{name}' {dtype} cannot have shape {TensorInfo.ShapeText(shape)}.", nameof(shape));
            bytes *= extent;
        }
        ByteLength = bytes;
    }

    /// <summary>The key in the file.</summary>
    public string Name { get; }

    /// <summary>How the elements are stored.</summary>
    public DType DType { get; }

    /// <summary>Extents, outermost first.</summary>
    public long[] Shape { get; }

    /// <summary>Size of the data in bytes.</summary>
    public long ByteLength { get; }

    internal Action<Stream> Write { get; }

    /// <summary>The same tensor, with something to do before it is written.</summary>
    /// <param name="action">Reports progress, or throws to stop.</param>
    public TensorEntry Before(Action action) => new(Name, DType, Shape, stream =>
    {
        action();
        Write(stream);
    });

    /// <summary>Writes the elements; gives their check sum.</summary>
    /// <exception cref="InvalidOperationException">The delegate wrote another number of bytes than the shape needs.</exception>
    internal uint WriteChecked(Stream stream)
    {
        using CountingStream counted = new(stream);
        Write(counted);
        if (counted.Count != ByteLength)
        {
            throw new InvalidOperationException(
                $"Tensor '{Name}': {counted.Count} bytes were written for {DType} {TensorInfo.ShapeText(Shape)} which needs {ByteLength}.");
        }
        return counted.Sum;
    }

    /// <summary>Bytes of an element.</summary>
    /// <param name="dtype">How it is stored.</param>
    public static int SizeOf(DType dtype) => ElementConversion.SizeOf(dtype);

    /// <summary>Floats as the bytes that a floating-point type stores, rounded to nearest even.</summary>
    /// <param name="values">The elements.</param>
    /// <param name="dtype">F64, F32, F16 or BF16.</param>
    /// <param name="bytes">Takes them; at least as long as they are.</param>
    /// <returns>The part of <paramref name="bytes"/> that was written.</returns>
    public static ReadOnlySpan<byte> Convert(ReadOnlySpan<float> values, DType dtype, Span<byte> bytes)
    {
        Span<byte> written = bytes[..(values.Length * SizeOf(dtype))];
        ElementConversion.FromFloat(dtype, values, written);
        return written;
    }

    /// <summary>A tensor of another checkpoint, which must stay open until the file is written.</summary>
    /// <param name="file">The other checkpoint.</param>
    /// <param name="name">The key there and here.</param>
    /// <param name="dtype">F64, F32, F16 or BF16 to convert a floating-point tensor; null, and for every other tensor, to keep its type.</param>
    /// <exception cref="CheckpointException">There is no such tensor; or, when it is written, it holds numbers that the new type cannot store.</exception>
    public static TensorEntry From(CheckpointFile file, string name, DType? dtype = null)
    {
        ArgumentNullException.ThrowIfNull(file);
        TensorInfo tensor = file.Find(name);
        DType stored = dtype is { } wanted && ElementConversion.IsFloatingPoint(tensor.DType) ? wanted : tensor.DType;
        return new TensorEntry(name, stored, tensor.Shape, stream => Copy(file, tensor, stored, stream));
    }

    /// <summary>Floats, stored as F64, F32, F16 or BF16, rounded to nearest even, and read when the file is written.</summary>
    /// <param name="name">The key in the file.</param>
    /// <param name="shape">Extents, outermost first.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <param name="dtype">How to store them.</param>
    /// <exception cref="ArgumentException">The shape does not fit the values, or the dtype is not a floating-point one.</exception>
    public static TensorEntry Of(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<float> values, DType dtype = DType.F32) =>
        Of(name, shape, values, dtype, ElementConversion.IsFloatingPoint(dtype), ElementConversion.FromFloat);

    /// <summary>Doubles, stored as F64, F32, F16 or BF16, rounded once to nearest even, and read when the file is written.</summary>
    /// <param name="name">The key in the file.</param>
    /// <param name="shape">Extents, outermost first.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <param name="dtype">How to store them.</param>
    /// <exception cref="ArgumentException">The shape does not fit the values, or the dtype is not a floating-point one.</exception>
    public static TensorEntry Of(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<double> values, DType dtype = DType.F64) =>
        Of(name, shape, values, dtype, ElementConversion.IsFloatingPoint(dtype), ElementConversion.FromDouble);

    /// <summary>
    /// Integers, stored as I64, I32 or U8. The memory is read when the file is written; a value that does not fit then throws
    /// <see cref="OverflowException"/> and no file is made.
    /// </summary>
    /// <param name="name">The key in the file.</param>
    /// <param name="shape">Extents, outermost first.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <param name="dtype">How to store them.</param>
    /// <exception cref="ArgumentException">The shape does not fit the values, or the dtype is another one.</exception>
    public static TensorEntry Of(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<long> values, DType dtype = DType.I64) =>
        Of(name, shape, values, dtype, dtype is DType.I64 or DType.I32 or DType.U8, ElementConversion.FromInt64);

    /// <summary>Bytes, stored as U8.</summary>
    /// <param name="name">The key in the file.</param>
    /// <param name="shape">Extents, outermost first.</param>
    /// <param name="values">The elements, row-major.</param>
    /// <exception cref="ArgumentException">The shape does not fit the values.</exception>
    public static TensorEntry Of(string name, ReadOnlySpan<long> shape, ReadOnlyMemory<byte> values)
    {
        TensorEntry entry = new(name, DType.U8, shape, stream => stream.Write(values.Span));
        entry.CheckCount(values.Length);
        return entry;
    }

    private delegate void Conversion<T>(DType dtype, ReadOnlySpan<T> source, Span<byte> destination);

    private static TensorEntry Of<T>(
        string name, ReadOnlySpan<long> shape, ReadOnlyMemory<T> values, DType dtype, bool fits, Conversion<T> convert)
    {
        if (!fits)
            throw new ArgumentException($"Tensor '{name}': {typeof(T).Name} values cannot be stored as {dtype}.", nameof(dtype));
        TensorEntry entry = new(name, dtype, shape, stream => WriteConverted(stream, dtype, values.Span, convert));
        entry.CheckCount(values.Length);
        return entry;
    }

    private static void WriteConverted<T>(Stream stream, DType dtype, ReadOnlySpan<T> values, Conversion<T> convert)
    {
        int size = ElementConversion.SizeOf(dtype);
        byte[] chunk = new byte[Math.Min(values.Length, ChunkElements) * size];
        while (values.Length > 0)
        {
            int count = Math.Min(values.Length, ChunkElements);
            Span<byte> bytes = chunk.AsSpan(0, count * size);
            convert(dtype, values[..count], bytes);
            stream.Write(bytes);
            values = values[count..];
        }
    }

    private static void Copy(CheckpointFile file, TensorInfo tensor, DType stored, Stream stream)
    {
        using TensorReader reader = file.OpenTensor(tensor.Name);
        int size = SizeOf(stored);
        byte[] bytes = new byte[Math.Min(tensor.ElementCount, ChunkElements) * size];
        double[] wide = stored == tensor.DType ? [] : new double[bytes.Length / size];
        for (long left = tensor.ElementCount; left > 0;)
        {
            int count = (int)Math.Min(left, ChunkElements);
            Span<byte> chunk = bytes.AsSpan(0, count * size);
            if (stored == tensor.DType)
            {
                reader.ReadBytes(chunk);
            }
            else
            {
                // Through double, so that F64 is rounded once.
                reader.Read(wide.AsSpan(0, count));
                RequireRange(file, tensor, stored, wide.AsSpan(0, count));
                ElementConversion.FromDouble(stored, wide.AsSpan(0, count), chunk);
            }
            stream.Write(chunk);
            left -= count;
        }
    }

    private static void RequireRange(CheckpointFile file, TensorInfo tensor, DType stored, ReadOnlySpan<double> values)
    {
        double most = ElementConversion.GreatestOf(stored);
        foreach (double value in values)
            if (Math.Abs(value) > most && double.IsFinite(value))
                throw new CheckpointException(string.Create(
                    CultureInfo.InvariantCulture, $"{file.Name}: tensor {tensor} holds {value:g6}, beyond what {stored} can store: it would become infinite. Keep its type, or take {(stored == DType.F16 ? "BF16" : "F32")}."));
    }

    private void CheckCount(int count)
    {
        long needed = ByteLength / ElementConversion.SizeOf(DType);
        if (needed != count)
            throw new ArgumentException($"Tensor '{Name}': shape {TensorInfo.ShapeText(Shape)} needs {needed} values, got {count}.");
    }
}
