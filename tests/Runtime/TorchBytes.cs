using System.IO.Compression;
using System.Text;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Puts PyTorch's files together by hand, right or wrong.</summary>
internal static class TorchBytes
{
    /// <summary>A pickle from raw opcodes; characters are bytes.</summary>
    public static byte[] Pickle(string opcodes) => [0x80, 2, .. Encoding.Latin1.GetBytes(opcodes), (byte)'.'];

    /// <summary>A pickle of what is written.</summary>
    public static byte[] Pickle(Action<PickleWriter> write)
    {
        using MemoryStream stream = new();
        PickleWriter pickle = new(stream);
        pickle.Begin();
        write(pickle);
        pickle.End();
        return stream.ToArray();
    }

    /// <summary>A dictionary with the tensor 'x' in storage '0' of float.</summary>
    public static byte[] OneTensor(long count, long offset, long[] shape, long[] strides, string key = "0") => Pickle(p => Dictionary(p, () => Tensor(p, "x", count, offset, shape, strides, key)));

    public static void Dictionary(PickleWriter p, Action items)
    {
        p.EmptyDict();
        p.Mark();
        items();
        p.SetItems();
    }

    public static void Tensor(PickleWriter p, string name, long count, long offset, long[] shape, long[] strides, string key = "0")
    {
        p.Text(name);
        p.Global("torch._utils", "_rebuild_tensor_v2");
        p.Mark();
        p.Mark();
        p.SharedText("storage");
        p.Global("torch", "FloatStorage");
        p.Text(key);
        p.SharedText("cpu");
        p.Number(count);
        p.Tuple();
        p.PersistentId();
        p.Number(offset);
        p.Numbers(shape);
        p.Numbers(strides);
        p.False();
        p.EmptyDict();
        p.Tuple();
        p.Reduce();
    }

    /// <summary>A zip archive of PyTorch with one storage, '0'.</summary>
    public static byte[] Zip(byte[] pickle, byte[] storage, CompressionLevel level = CompressionLevel.NoCompression)
    {
        using MemoryStream stream = new();
        using (ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true))
            foreach ((string name, byte[] content) in new[] { ("a/data.pkl", pickle), ("a/data/0", storage) })
                using (Stream entry = archive.CreateEntry(name, level).Open())
                    entry.Write(content);
        return stream.ToArray();
    }

    public static CheckpointFile Open(byte[] bytes, string name = "hostile") => CheckpointContainer.Open(new StreamBytes(new MemoryStream(bytes), leaveOpen: false), name);
}

/// <summary>A file in memory that counts what is read of it: the work of a reader, on any machine.</summary>
internal sealed class CountedBytes(byte[] bytes) : ByteSource
{
    public long BytesRead { get; private set; }

    public override long Length => bytes.Length;

    /// <summary>What opening a file may read of it: each byte a few times, for every reader that looks whether the file is its own.</summary>
    public static long Bound(byte[] bytes) => 8L * bytes.Length + (1 << 20);

    public override void Read(long position, Span<byte> destination)
    {
        BytesRead += destination.Length;
        if (position + destination.Length > bytes.Length) throw new EndOfStreamException($"it ends at byte {bytes.Length}");
        bytes.AsSpan((int)position, destination.Length).CopyTo(destination);
    }

    public override void Dispose()
    {
    }
}
