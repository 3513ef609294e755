namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A run of bytes that tensors lie in: little-endian elements unless it says otherwise.</summary>
internal abstract class TensorStorage
{
    public abstract long Length { get; }

    /// <summary>The bytes from <paramref name="begin"/> on, as far as they are read.</summary>
    public abstract Stream Open(long begin);
}

/// <summary>Bytes as they lie in the file.</summary>
internal sealed class RawStorage(ByteSource source, long start, long length) : TensorStorage
{
    public override long Length => length;

    public override Stream Open(long begin) => new RangeStream(source, start + begin, length - begin);
}
