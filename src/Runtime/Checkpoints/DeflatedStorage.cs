using System.IO.Compression;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Compressed bytes, which can only be read from their beginning.</summary>
internal sealed class DeflatedStorage(TensorStorage packed, long length) : TensorStorage
{
    public override long Length => length;

    public override Stream Open(long begin)
    {
        DeflateStream stream = new(packed.Open(0), CompressionMode.Decompress);
        byte[] skipped = new byte[Math.Min(begin, 1 << 16)];
        for (; begin > 0; begin -= Math.Min(begin, skipped.Length))
            stream.ReadExactly(skipped, 0, (int)Math.Min(begin, skipped.Length));
        return stream;
    }
}
