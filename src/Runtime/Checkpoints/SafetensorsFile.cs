using System.Buffers.Binary;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Reads a safetensors file: u64 header length, JSON header, row-major little-endian data (format published with the
/// huggingface/safetensors library).
/// </summary>
public sealed class SafetensorsFile : CheckpointFile
{
    private readonly ByteSource _source;
    private readonly SafetensorsHeader _header;

    private SafetensorsFile(ByteSource source, string name) : base(name)
    {
        _source = source;
        try
        {
            long length = source.Length;
            if (length < 8)
                throw new CheckpointException($"{name}: {length} bytes are too few for a safetensors file, which begins with 8");
            Span<byte> prefix = stackalloc byte[8];
            source.Read(0, prefix);
            ulong headerLength = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            if (headerLength > SafetensorsHeader.LongestHeader)
            {
                throw new CheckpointException($"{name}: {ForeignFile.Describe(source) ?? "this is no file of a known kind (safetensors, PyTorch, TorchSharp, EDM's pickles, NumPy)"}; "
                    + $"as safetensors it would have a header of {headerLength} bytes, above the format's limit of {SafetensorsHeader.LongestHeader}");
            }
            if ((long)headerLength > length - 8)
            {
                throw new CheckpointException($"{name}: the header should take {headerLength} bytes but only {length - 8} follow; "
                    + "the file is cut short");
            }
            byte[] json = new byte[headerLength];
            source.Read(8, json);
            _header = SafetensorsHeader.Parse(name, json, new RawStorage(source, 8 + json.Length, length - 8 - json.Length));
        }
        catch (IOException error)
        {
            throw new CheckpointException($"{name}: cannot be read: {error.Message}", error);
        }
    }

    /// <inheritdoc/>
    public override string Container => "safetensors";

    /// <summary>The free text of the header's <c>__metadata__</c>; empty if there is none.</summary>
    public override IReadOnlyDictionary<string, string> Metadata => _header.Metadata;

    /// <summary>The tensors, in the header's order.</summary>
    public override IReadOnlyList<TensorInfo> Tensors => _header.Tensors;

    /// <summary>Opens a file.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="CheckpointException">The file cannot be opened or is not a valid safetensors file.</exception>
    public static new SafetensorsFile Open(string path) => Open(ByteSource.OpenFile(path), path);

    /// <summary>Reads from a stream, whose current position is the beginning of the file and whose end is the end of the file.</summary>
    /// <param name="stream">A stream that can read and seek.</param>
    /// <param name="name">Stands for the file name in messages.</param>
    /// <param name="leaveOpen">Whether the stream stays open when the file is disposed of. A failed call always leaves it open.</param>
    /// <exception cref="CheckpointException">The stream does not hold a valid safetensors file.</exception>
    /// <exception cref="ArgumentException">The stream cannot read or seek.</exception>
    public static SafetensorsFile Open(Stream stream, string name, bool leaveOpen = false)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(name);
        if (!stream.CanRead || !stream.CanSeek)
            throw new ArgumentException("The stream must be able to read and seek; copy it to a file or a MemoryStream.", nameof(stream));
        return new SafetensorsFile(new StreamBytes(stream, leaveOpen), name);
    }

    internal static SafetensorsFile Open(ByteSource source, string name)
    {
        try
        {
            return new SafetensorsFile(source, name);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _source.Dispose();
}
