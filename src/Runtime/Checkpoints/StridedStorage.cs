using System.Runtime.InteropServices;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A tensor with strides of its own, seen as bytes in row-major order.</summary>
internal sealed class StridedStorage(TensorStorage storage, Layout layout, int size) : TensorStorage
{
    // Elements that lie this much apart or less are read with what is between them.
    private const int MostSparse = 2;
    private const long SmallSpan = 1 << 20;

    public override long Length => layout.Count * size;

    public override Stream Open(long begin)
    {
        // Permuted tensors are dense: their piece of the storage is held while they are read. Wide apart elements are fetched one by one.
        long span = layout.Span * size;
        bool held = span <= Math.Max(MostSparse * Length, SmallSpan) && span <= Array.MaxLength;
        if (!held && !storage.ReadsAnywhere)
            throw new InvalidDataException("its elements lie far apart in compressed data; save it contiguously or without compression");
        if (!held)
            return new StridedStream(storage, layout, size);
        byte[] bytes = new byte[span];
        using (Stream content = storage.Open(layout.Offset * size))
            content.ReadExactly(bytes);
        return new StridedStream(bytes, layout, size);
    }
}

/// <summary>Walks over the elements in row-major order.</summary>
internal sealed class StridedStream : ForwardStream
{
    private readonly byte[]? _held;
    private readonly TensorStorage? _storage;
    private readonly Layout _layout;
    private readonly int _size;
    private readonly long[] _index;
    private long _left, _position;

    /// <summary>Over bytes that begin with the first element.</summary>
    public StridedStream(byte[] held, Layout layout, int size) : this(layout, size, 0) => _held = held;

    /// <summary>Over a storage that can be read anywhere.</summary>
    public StridedStream(TensorStorage storage, Layout layout, int size) : this(layout, size, layout.Offset) => _storage = storage;

    private StridedStream(Layout layout, int size, long first) =>
        (_layout, _size, _index, _left, _position) = (layout, size, new long[layout.Shape.Length], layout.Count, first);

    public override int Read(Span<byte> buffer)
    {
        int count = (int)Math.Min(buffer.Length / _size, _left);
        for (int done = 0; done < count;)
        {
            int run = Run(count - done);
            Span<byte> target = buffer.Slice(done * _size, run * _size);
            if (_held is null) _storage!.Read(_position * _size, target);
            else Gather(_held, target);
            done += run;
            Advance(run);
        }
        _left -= count;
        return count * _size;
    }

    // How many elements from here on are taken at once: along the innermost extent, and, from a storage, only if they are neighbours.
    private int Run(int most)
    {
        int inner = _index.Length - 1;
        return _held is null && _layout.Strides[inner] != 1 ? 1 : (int)Math.Min(most, _layout.Shape[inner] - _index[inner]);
    }

    private void Gather(byte[] held, Span<byte> target)
    {
        switch (_size)
        {
            case 1: Gather<byte>(held, target); break;
            case 2: Gather(MemoryMarshal.Cast<byte, ushort>(held), MemoryMarshal.Cast<byte, ushort>(target)); break;
            case 4: Gather(MemoryMarshal.Cast<byte, uint>(held), MemoryMarshal.Cast<byte, uint>(target)); break;
            default: Gather(MemoryMarshal.Cast<byte, ulong>(held), MemoryMarshal.Cast<byte, ulong>(target)); break;
        }
    }

    private void Gather<T>(ReadOnlySpan<T> held, Span<T> target)
    {
        int step = (int)_layout.Strides[^1], from = (int)_position;
        for (int i = 0; i < target.Length; i++, from += step)
            target[i] = held[from];
    }

    private void Advance(int run)
    {
        int axis = _index.Length - 1;
        _index[axis] += run;
        _position += run * _layout.Strides[axis];
        while (_index[axis] == _layout.Shape[axis] && axis > 0)
        {
            _position += _layout.Strides[axis - 1] - _index[axis] * _layout.Strides[axis];
            _index[axis] = 0;
            _index[--axis]++;
        }
    }
}
