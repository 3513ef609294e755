namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Tensors one after the other, as one.</summary>
internal sealed class JoinedStorage(IReadOnlyList<TensorInfo> parts) : TensorStorage
{
    public override long Length { get; } = parts.Sum(part => part.ByteLength);

    public override Stream Open(long begin)
    {
        int first = 0;
        for (; first < parts.Count && begin >= parts[first].ByteLength; first++) begin -= parts[first].ByteLength;
        return new Joined(parts, first, begin);
    }

    private sealed class Joined(IReadOnlyList<TensorInfo> parts, int first, long begin) : ForwardStream
    {
        private int _next = first;
        private long _begin = begin, _left;
        private Stream? _stream;

        public override int Read(Span<byte> buffer)
        {
            while (_left == 0)
            {
                if (_next == parts.Count) return 0;
                _stream?.Dispose();
                _stream = parts[_next].Storage.Open(parts[_next].Begin + _begin);
                _left = parts[_next++].ByteLength - _begin;
                _begin = 0;
            }
            int got = _stream!.Read(buffer[..(int)Math.Min(buffer.Length, _left)]);
            if (got == 0 && buffer.Length > 0) throw new EndOfStreamException("the data end early");
            _left -= got;
            return got;
        }

        protected override void Dispose(bool disposing) => _stream?.Dispose();
    }
}

/// <summary>Numbers that follow from others and are made when they are read.</summary>
internal sealed class ComputedStorage(long length, Func<byte[]> compute) : TensorStorage
{
    public override long Length => length;

    public override Stream Open(long begin)
    {
        byte[] bytes = compute();
        return new MemoryStream(bytes, (int)begin, bytes.Length - (int)begin, writable: false);
    }
}
