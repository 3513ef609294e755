namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A stream that is only read, from its beginning to its end.</summary>
internal abstract class ForwardStream : Stream
{
    public sealed override bool CanRead => true;
    public sealed override bool CanSeek => false;
    public sealed override bool CanWrite => false;
    public sealed override long Length => throw new NotSupportedException();

    public sealed override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public abstract override int Read(Span<byte> buffer);

    public sealed override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public sealed override void SetLength(long value) => throw new NotSupportedException();

    public sealed override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public sealed override void Flush()
    {
    }
}

/// <summary>A range of a source.</summary>
internal sealed class RangeStream(ByteSource source, long begin, long length) : ForwardStream
{
    private readonly long _end = begin + length;
    private long _position = begin;

    public override int Read(Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length, _end - _position);
        source.Read(_position, buffer[..count]);
        _position += count;
        return count;
    }
}
