using System.Buffers.Binary;
using System.Text;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Reads a part of a source from its beginning through a small window.</summary>
internal sealed class PickleInput(string file, ByteSource source, long start, long end)
{
    private const int LongestLine = 1 << 12;

    private readonly byte[] _window = new byte[(int)Math.Clamp(end - start, 256, 1 << 16)];
    private int _next, _filled;

    /// <summary>Position in the source of the next byte.</summary>
    public long Position { get; private set; } = start;

    public byte ReadByte() => Take(1)[0];

    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

    public int ReadInt32() => BinaryPrimitives.ReadInt32LittleEndian(Take(4));

    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

    public double ReadBigEndianDouble() => BinaryPrimitives.ReadDoubleBigEndian(Take(8));

    /// <summary>The next bytes, at most 256; valid until the next call.</summary>
    public ReadOnlySpan<byte> Take(int count)
    {
        if (_filled - _next < count)
            Refill(count);
        ReadOnlySpan<byte> bytes = _window.AsSpan(_next, count);
        _next += count;
        Position += count;
        return bytes;
    }

    /// <summary>A text of this many bytes of UTF-8; a long one is left where it is.</summary>
    public object ReadText(ulong length)
    {
        if (length > LongestText)
            return Skip(length);
        if (length > (ulong)(end - Position))
            throw Cut(length);
        byte[]? large = length > 256 ? new byte[length] : null;
        ReadOnlySpan<byte> bytes = large ?? (length == 0 ? [] : Take((int)length));
        if (large is not null)
        {
            source.Read(Position, large);
            MoveTo(Position + large.Length);
        }
        return Encoding.UTF8.GetString(bytes);
    }

    /// <summary>Bytes that stay in the file.</summary>
    public PickleBytes Skip(ulong length)
    {
        if (length > (ulong)(end - Position))
            throw Cut(length);
        PickleBytes bytes = new(Position, (long)length);
        MoveTo(Position + (long)length);
        return bytes;
    }

    /// <summary>Text up to a line feed.</summary>
    public string ReadLine()
    {
        StringBuilder line = new();
        for (byte next; (next = ReadByte()) != '\n';)
        {
            if (line.Length == LongestLine)
                throw new CheckpointException($"{file}: the pickle has a name of more than {LongestLine} bytes before byte {Position}");
            line.Append((char)next);
        }
        return line.ToString();
    }

    private const ulong LongestText = 1 << 14;

    private void MoveTo(long position)
    {
        _next = (int)Math.Min(_filled, _next + (position - Position));
        Position = position;
    }

    private void Refill(int count)
    {
        if (count > end - Position)
            throw Cut((ulong)count);
        int fill = (int)Math.Min(_window.Length, end - Position);
        source.Read(Position, _window.AsSpan(0, fill));
        (_next, _filled) = (0, fill);
    }

    private CheckpointException Cut(ulong count) =>
        new($"{file}: the pickle needs {count} more bytes at byte {Position} but only {end - Position} follow; it is cut short or damaged");
}
