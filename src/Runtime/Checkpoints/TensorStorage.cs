using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A run of bytes that tensors lie in.</summary>
internal abstract class TensorStorage
{
    public abstract long Length { get; }

    /// <summary>Whether <see cref="Read"/> is as fast in the middle as at the beginning.</summary>
    public virtual bool ReadsAnywhere => false;

    /// <summary>The bytes from <paramref name="begin"/> on, as far as they are read.</summary>
    public abstract Stream Open(long begin);

    /// <summary>Bytes from the middle.</summary>
    public virtual void Read(long position, Span<byte> destination) => throw new NotSupportedException();
}

/// <summary>Bytes as they lie in the file.</summary>
internal sealed class RawStorage(ByteSource source, long start, long length) : TensorStorage
{
    public override long Length => length;

    public override bool ReadsAnywhere => true;

    public override Stream Open(long begin) => new RangeStream(source, start + begin, length - begin);

    public override void Read(long position, Span<byte> destination) => source.Read(start + position, destination);
}

/// <summary>Part of another storage.</summary>
internal sealed class StorageRange(TensorStorage whole, long start, long length) : TensorStorage
{
    public override long Length => length;

    public override bool ReadsAnywhere => whole.ReadsAnywhere;

    public override Stream Open(long begin) => whole.Open(start + begin);

    public override void Read(long position, Span<byte> destination) => whole.Read(start + position, destination);
}

/// <summary>Big-endian elements, turned round.</summary>
internal sealed class SwappedStorage(TensorStorage storage, int size) : TensorStorage
{
    public override long Length => storage.Length;

    public override Stream Open(long begin) => new Swapped(storage.Open(begin), size);

    private sealed class Swapped(Stream stream, int size) : ForwardStream
    {
        public override int Read(Span<byte> buffer)
        {
            int whole = buffer.Length / size * size;
            int got = stream.ReadAtLeast(buffer[..whole], whole, throwOnEndOfStream: false) / size * size;
            Span<byte> bytes = buffer[..got];
            switch (size)
            {
                case 2: Turn(MemoryMarshal.Cast<byte, ushort>(bytes)); break;
                case 4: Turn(MemoryMarshal.Cast<byte, uint>(bytes)); break;
                case 8: Turn(MemoryMarshal.Cast<byte, ulong>(bytes)); break;
            }
            return got;
        }

        protected override void Dispose(bool disposing) => stream.Dispose();

        private static void Turn(Span<ushort> values) => BinaryPrimitives.ReverseEndianness(values, values);

        private static void Turn(Span<uint> values) => BinaryPrimitives.ReverseEndianness(values, values);

        private static void Turn(Span<ulong> values) => BinaryPrimitives.ReverseEndianness(values, values);
    }
}
