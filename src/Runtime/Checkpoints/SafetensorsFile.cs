using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Reads a safetensors file: u64 header length, JSON header, row-major little-endian data (format published with the
/// huggingface/safetensors library). Opening reads and checks the header only; each tensor is read when asked for, straight into the
/// caller's memory.
/// </summary>
/// <remarks>Calls from several threads are safe and run one after the other.</remarks>
public sealed class SafetensorsFile : IDisposable
{
    private const int ChunkElements = 1 << 14;

    private readonly Stream _stream;
    private readonly bool _leaveOpen;
    private readonly SafetensorsHeader _header;
    private readonly long _dataStart;
    private readonly Lock _lock = new();

    private SafetensorsFile(Stream stream, string name, bool leaveOpen)
    {
        _stream = stream;
        _leaveOpen = leaveOpen;
        Name = name;
        try
        {
            long start = stream.Position;
            long length = stream.Length - start;
            if (length < 8)
                throw new CheckpointException($"{name}: {length} bytes are too few for a safetensors file, which begins with 8");
            Span<byte> prefix = stackalloc byte[8];
            stream.ReadExactly(prefix);
            ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            if (headerLength > SafetensorsHeader.LongestHeader)
            {
                throw new CheckpointException($"{name}: a header of {headerLength} bytes is above the format's limit of "
                    + $"{SafetensorsHeader.LongestHeader}; this is not a safetensors file");
            }
            if ((long)headerLength > length - 8)
            {
                throw new CheckpointException($"{name}: the header should take {headerLength} bytes but only {length - 8} follow; "
                    + "the file is cut short");
            }
            byte[] json = new byte[headerLength];
            stream.ReadExactly(json);
            _dataStart = start + 8 + json.Length;
            _header = SafetensorsHeader.Parse(name, json, length - 8 - json.Length);
        }
        catch (IOException error)
        {
            throw CannotRead(error);
        }
    }

    /// <summary>The file's path, or the name that was given with a stream.</summary>
    public string Name { get; }

    /// <summary>The free text of the header's <c>__metadata__</c>; empty if there is none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors, in the header's order.</summary>
    public IReadOnlyList<TensorInfo> Tensors => _header.Tensors;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file cannot be opened or is not a valid safetensors file.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        FileStream stream;
        try
        {
            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: there is no such file", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(
                Directory.Exists(path) ? $"{path}: this is a folder, not a file" : $"{path}: cannot be opened: {error.Message}", error);
        }
        try
        {
            if (!stream.CanSeek)
                throw new CheckpointException($"{path}: this is not a regular file");
            return new SafetensorsFile(stream, path, leaveOpen: false);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads from a stream, whose current position is the beginning of the file and whose end is the end of the file.</summary>
    /// <param name="stream">A stream that can read and seek.</param>
    /// <param name="name">Stands for the file name in messages.</param>
    /// <param name="leaveOpen">Whether <see cref="Dispose"/> leaves the stream open. A failed call always does.</param>
    /// <exception cref="CheckpointException">The stream does not hold a valid safetensors file.</exception>
    /// <exception cref="ArgumentException">The stream cannot read or seek.</exception>
    public static SafetensorsFile Open(Stream stream, string name, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(name);
        if (!stream.CanRead || !stream.CanSeek)
            throw new ArgumentException("The stream must be able to read and seek; copy it to a file or a MemoryStream.", nameof(stream));
        return new SafetensorsFile(stream, name, leaveOpen);
    }

    /// <summary>Whether the file holds a tensor of this name.</summary>
    /// <param name="name">The key.</param>
    public bool Contains(string name) => _header.ByName.ContainsKey(name);

    /// <summary>Finds a tensor by name.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">The file has no such tensor.</exception>
    public TensorInfo Find(string name)
    {
        if (_header.ByName.TryGetValue(name, out TensorInfo? tensor))
            return tensor;
        string held = Tensors.Count == 0 ? "it holds none" : $"it holds {Tensors.Count}, the first being {Tensors[0]}";
        throw new CheckpointException($"{Name}: there is no tensor {CheckpointException.Quote(name)}; {held}");
    }

    /// <summary>
    /// Reads a tensor as float. F16 and BF16 widen exactly; F64 and integers round to the nearest float, ties to even; F64 beyond the
    /// range of float becomes infinite; true is 1.
    /// </summary>
    /// <param name="name">The key.</param>
    /// <param name="destination">Exactly as long as the tensor has elements.</param>
    /// <exception cref="CheckpointException">No such tensor, another number of elements, or the file cannot be read.</exception>
    public void ReadFloat(string name, Span<float> destination) => Read(Find(name), destination, ElementConversion.ToFloat);

    /// <summary>Reads a tensor as a new array of float; see <see cref="ReadFloat(string, Span{float})"/>.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">No such tensor, too many elements for an array, or the file cannot be read.</exception>
    public float[] ReadFloat(string name)
    {
        TensorInfo tensor = Find(name);
        float[] values = NewArray<float>(tensor);
        Read(tensor, values, ElementConversion.ToFloat);
        return values;
    }

    /// <summary>Reads a tensor as a new array of double. Only integers above 2^53 round.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">No such tensor, too many elements for an array, or the file cannot be read.</exception>
    public double[] ReadDouble(string name)
    {
        TensorInfo tensor = Find(name);
        double[] values = NewArray<double>(tensor);
        Read(tensor, values, ElementConversion.ToDouble);
        return values;
    }

    /// <summary>Reads a tensor of integers or truth values as a new array of long.</summary>
    /// <param name="name">The key.</param>
    /// <exception cref="CheckpointException">
    /// No such tensor, a floating-point dtype, a U64 above 2^63-1, too many elements for an array, or the file cannot be read.
    /// </exception>
    public long[] ReadInt64(string name)
    {
        TensorInfo tensor = Find(name);
        if (ElementConversion.IsFloatingPoint(tensor.DType))
            throw new CheckpointException($"{Name}: tensor {tensor} holds real numbers, expected integers");
        long[] values = NewArray<long>(tensor);
        try
        {
            Read(tensor, values, ElementConversion.ToInt64);
        }
        catch (OverflowException error)
        {
            throw new CheckpointException($"{Name}: tensor {tensor} holds a number above 2^63-1", error);
        }
        return values;
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        if (!_leaveOpen)
            _stream.Dispose();
    }

    private delegate void Conversion<T>(DType dtype, ReadOnlySpan<byte> source, Span<T> destination);

    private void Read<T>(TensorInfo tensor, Span<T> destination, Conversion<T> convert) where T : unmanaged
    {
        if (destination.Length != tensor.ElementCount)
        {
            throw new CheckpointException(
                $"{Name}: tensor {tensor} has {tensor.ElementCount} elements, expected {destination.Length}");
        }
        bool sameBits = typeof(T) == typeof(float) && tensor.DType == DType.F32;
        int size = ElementConversion.SizeOf(tensor.DType);
        byte[] chunk = sameBits ? [] : new byte[Math.Min(destination.Length, ChunkElements) * size];
        try
        {
            lock (_lock)
            {
                _stream.Position = _dataStart + tensor.Begin;
                while (destination.Length > 0)
                {
                    int count = Math.Min(destination.Length, ChunkElements);
                    if (sameBits)
                    {
                        _stream.ReadExactly(MemoryMarshal.AsBytes(destination[..count]));
                    }
                    else
                    {
                        Span<byte> bytes = chunk.AsSpan(0, count * size);
                        _stream.ReadExactly(bytes);
                        convert(tensor.DType, bytes, destination[..count]);
                    }
                    destination = destination[count..];
                }
            }
        }
        catch (IOException error)
        {
            throw CannotRead(error);
        }
    }

    private T[] NewArray<T>(TensorInfo tensor)
    {
        if (tensor.ElementCount > Array.MaxLength)
            throw new CheckpointException($"{Name}: tensor {tensor} has more than {Array.MaxLength} elements, too many for one array");
        return new T[tensor.ElementCount];
    }

    private CheckpointException CannotRead(IOException error) => new($"{Name}: cannot be read: {error.Message}", error);
}
