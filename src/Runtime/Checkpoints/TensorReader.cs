using System.Runtime.InteropServices;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Reads one tensor from its first element to its last, in pieces of any size: row-major in the tensor's own extents, whatever the strides in
/// the file. Holds a chunk of 64 KB where elements are converted, nothing where float is read from F32.
/// </summary>
public sealed class TensorReader : IDisposable
{
    private const int ChunkElements = 1 << 14;

    private readonly string _file;
    private readonly Stream _bytes;
    private byte[] _chunk = [];
    private Checksum _sum = new();
    private long _unread;
    private long _left;

    internal TensorReader(string file, TensorInfo tensor)
    {
        _file = file;
        Tensor = tensor;
        _left = tensor.ElementCount;
        _unread = tensor.ByteLength;
        _bytes = Guard(() => tensor.Storage.Open(tensor.Begin));
    }

    /// <summary>What is being read.</summary>
    public TensorInfo Tensor { get; }

    /// <summary>
    /// The next elements as float. F16 and BF16 widen exactly; F64 and integers round to the nearest float, ties to even; F64 beyond the range
    /// of float becomes infinite; true is 1.
    /// </summary>
    /// <param name="destination">At most as many elements as are left.</param>
    /// <exception cref="CheckpointException">Fewer elements are left, or the file cannot be read.</exception>
    public void Read(Span<float> destination)
    {
        if (Tensor.DType == DType.F32)
            ReadBytes(MemoryMarshal.AsBytes(destination));
        else
            Read(destination, ElementConversion.ToFloat);
    }

    /// <summary>The next elements as double. Only integers above 2^53 round.</summary>
    /// <param name="destination">At most as many elements as are left.</param>
    /// <exception cref="CheckpointException">Fewer elements are left, or the file cannot be read.</exception>
    public void Read(Span<double> destination) => Read(destination, ElementConversion.ToDouble);

    /// <summary>The next elements of a tensor of integers or truth values.</summary>
    /// <param name="destination">At most as many elements as are left.</param>
    /// <exception cref="CheckpointException">A floating-point dtype, a U64 above 2^63-1, fewer elements left, or the file cannot be read.</exception>
    public void Read(Span<long> destination)
    {
        if (ElementConversion.IsFloatingPoint(Tensor.DType))
            throw new CheckpointException($"{_file}: tensor {Tensor} holds real numbers, expected integers");
        try
        {
            Read(destination, ElementConversion.ToInt64);
        }
        catch (OverflowException error)
        {
            throw new CheckpointException($"{_file}: tensor {Tensor} holds a number above 2^63-1", error);
        }
    }

    /// <summary>The next elements as they are stored, little endian.</summary>
    /// <param name="destination">A whole number of elements, at most as many as are left.</param>
    /// <exception cref="ArgumentException">The length is no multiple of the element's.</exception>
    /// <exception cref="CheckpointException">Fewer elements are left, or the file cannot be read.</exception>
    public void ReadBytes(Span<byte> destination)
    {
        int size = ElementConversion.SizeOf(Tensor.DType);
        if (destination.Length % size != 0)
            throw new ArgumentException($"{destination.Length} bytes are not a whole number of {Tensor.DType} elements.", nameof(destination));
        Take(destination.Length / size);
        Fill(destination);
    }

    /// <summary>Ends the reading; the file stays open.</summary>
    public void Dispose() => _bytes.Dispose();

    private delegate void Conversion<T>(DType dtype, ReadOnlySpan<byte> source, Span<T> destination);

    private void Read<T>(Span<T> destination, Conversion<T> convert)
    {
        Take(destination.Length);
        int size = ElementConversion.SizeOf(Tensor.DType);
        int most = Math.Min(destination.Length, ChunkElements);
        if (_chunk.Length < most * size)
            _chunk = new byte[most * size];
        while (destination.Length > 0)
        {
            int count = Math.Min(destination.Length, most);
            Span<byte> bytes = _chunk.AsSpan(0, count * size);
            Fill(bytes);
            convert(Tensor.DType, bytes, destination[..count]);
            destination = destination[count..];
        }
    }

    private void Take(int elements)
    {
        if (elements > _left)
            throw new CheckpointException($"{_file}: {elements} more elements were asked of tensor {Tensor}, of which {_left} are left");
        _left -= elements;
    }

    private void Fill(Span<byte> destination)
    {
        try
        {
            _bytes.ReadExactly(destination);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw CannotRead(error);
        }
        if (Tensor.Sum is not { } expected)
            return;
        _sum.Add(destination);
        _unread -= destination.Length;
        if (_unread == 0 && _sum.Value != expected)
            throw new CheckpointException($"{_file}: tensor {Tensor} is damaged: the check sum of its data is {_sum.Value:x8}, and {expected:x8} was written. Fetch or copy the file again, or go back to an earlier one");
    }

    private T Guard<T>(Func<T> open)
    {
        try
        {
            return open();
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw CannotRead(error);
        }
    }

    private CheckpointException CannotRead(Exception error) => new($"{_file}: tensor {Tensor} cannot be read: {error.Message}", error);
}
