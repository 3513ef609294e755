using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NativeDiffusion.Model.Data;

/// <summary>Number types of <see cref="NpyArray"/>, all little-endian.</summary>
public enum NpyType
{
    /// <summary>Unsigned byte, <c>|u1</c>.</summary>
    UInt8,

    /// <summary>32-bit integer, <c>&lt;i4</c>.</summary>
    Int32,

    /// <summary>64-bit integer, <c>&lt;i8</c>.</summary>
    Int64,

    /// <summary>32-bit floating point, <c>&lt;f4</c>.</summary>
    Float32,

    /// <summary>64-bit floating point, <c>&lt;f8</c>.</summary>
    Float64,
}

/// <summary>An array as NumPy stores it: type, shape and values in C order.</summary>
public sealed class NpyArray
{
    /// <summary>Creates an array over its little-endian bytes in C order, which are not copied.</summary>
    /// <exception cref="ArgumentException">The bytes do not fit type and shape.</exception>
    public NpyArray(NpyType type, IReadOnlyList<int> shape, ReadOnlyMemory<byte> data)
    {
        ArgumentNullException.ThrowIfNull(shape);
        Type = type;
        Shape = [.. shape];
        Data = data;
        long count = 1;
        foreach (int size in Shape)
            count = size < 0 ? throw new ArgumentException($"The shape ({string.Join(", ", Shape)}) has a negative size.") : checked(count * size);
        if (count * ItemBytes(type) != data.Length)
            throw new ArgumentException(
                $"{type} values of shape ({string.Join(", ", Shape)}) need {count * ItemBytes(type)} bytes, but {data.Length} were given.");
        Count = (int)count;
    }

    /// <summary>Type of every value.</summary>
    public NpyType Type { get; }

    /// <summary>Size of every dimension; empty for a single value.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>Number of values.</summary>
    public int Count { get; }

    /// <summary>The values, little-endian, last dimension innermost.</summary>
    public ReadOnlyMemory<byte> Data { get; }

    /// <summary>An array of bytes over the given memory.</summary>
    /// <exception cref="ArgumentException">Shape and number of values disagree.</exception>
    public static NpyArray From(ReadOnlyMemory<byte> values, params IReadOnlyList<int> shape) => new(NpyType.UInt8, shape, values);

    /// <summary>An array of 64-bit integers.</summary>
    /// <exception cref="ArgumentException">Shape and number of values disagree.</exception>
    public static NpyArray From(ReadOnlySpan<long> values, params IReadOnlyList<int> shape)
    {
        byte[] data = new byte[checked(values.Length * sizeof(long))];
        for (int i = 0; i < values.Length; i++)
            BinaryPrimitives.WriteInt64LittleEndian(data.AsSpan(i * sizeof(long)), values[i]);
        return new NpyArray(NpyType.Int64, shape, data);
    }

    /// <summary>An array of 64-bit floating-point numbers.</summary>
    /// <exception cref="ArgumentException">Shape and number of values disagree.</exception>
    public static NpyArray From(ReadOnlySpan<double> values, params IReadOnlyList<int> shape) =>
        new(NpyType.Float64, shape, From(MemoryMarshal.Cast<double, long>(values), values.Length).Data);

    /// <summary>All values as integers.</summary>
    /// <exception cref="InvalidOperationException">The values are floating-point numbers.</exception>
    public long[] ToInt64() => Type switch
    {
        NpyType.UInt8 or NpyType.Int32 or NpyType.Int64 => Convert(IntegerAt),
        _ => throw new InvalidOperationException($"An array of {Type} does not hold integers."),
    };

    /// <summary>All values in double precision.</summary>
    public double[] ToDouble() => Type switch
    {
        NpyType.Float32 => Convert(i => (double)BinaryPrimitives.ReadSingleLittleEndian(Data.Span[(4 * i)..])),
        NpyType.Float64 => Convert(i => BinaryPrimitives.ReadDoubleLittleEndian(Data.Span[(8 * i)..])),
        _ => Convert(i => (double)IntegerAt(i)),
    };

    internal static int ItemBytes(NpyType type) => type switch { NpyType.UInt8 => 1, NpyType.Int32 or NpyType.Float32 => 4, _ => 8 };

    private long IntegerAt(int index) => Type switch
    {
        NpyType.UInt8 => Data.Span[index],
        NpyType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(Data.Span[(4 * index)..]),
        _ => BinaryPrimitives.ReadInt64LittleEndian(Data.Span[(8 * index)..]),
    };

    private T[] Convert<T>(Func<int, T> valueAt)
    {
        T[] values = new T[Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = valueAt(i);
        return values;
    }
}
