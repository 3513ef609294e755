using System.Buffers.Binary;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Recognises a container by its content and opens it.</summary>
internal static class CheckpointContainer
{
    private static ReadOnlySpan<byte> Zip => "PK\u0003\u0004"u8;

    private static ReadOnlySpan<byte> EmptyZip => "PK\u0005\u0006"u8;

    /// <summary>Opens a file or a folder with an index file.</summary>
    public static CheckpointFile Open(string path)
    {
        if (Directory.Exists(path)) path = CheckpointFolder.WeightsOf(path);
        ByteSource source = ByteSource.OpenFile(path);
        try
        {
            if (ShardedCheckpoint.IsIndex(path, source))
            {
                source.Dispose();
                return ShardedCheckpoint.Open(path);
            }
            return Open(source, path);
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Opens a single file, which then owns the source.</summary>
    /// <exception cref="CheckpointException">It is of no known kind, or damaged.</exception>
    public static CheckpointFile Open(ByteSource source, string name)
    {
        try
        {
            Span<byte> start = stackalloc byte[9];
            start = start[..(int)Math.Min(start.Length, source.Length)];
            source.Read(0, start);
            // A header's length may begin with the bytes of any other kind, but the brace after it is certain.
            if (start.Length == 9 && start[8] == (byte)'{' && BinaryPrimitives.ReadUInt64LittleEndian(start) <= (ulong)source.Length)
                return SafetensorsFile.Open(source, name);
            if (start.StartsWith(Zip) || start.StartsWith(EmptyZip))
                return OpenZip(source, name);
            if (start.StartsWith(NpyHeader.Magic))
                return NumpyCheckpoint.OpenArray(name, source);
            if (ForeignFile.Describe(source) is { } other)
                throw new CheckpointException($"{name}: {other}");
            if (TorchSharpFile.TryOpen(source, name) is { } torchSharp)
                return torchSharp;
            return start.Length > 1 && start[0] == 0x80 && start[1] is >= 1 and <= 5
                ? PickleCheckpoint.Open(name, source)
                : SafetensorsFile.Open(source, name);
        }
        catch (Exception error) when (error is IOException or InvalidDataException)
        {
            throw new CheckpointException($"{name}: cannot be read: {error.Message}", error);
        }
    }

    private static CheckpointFile OpenZip(ByteSource source, string name)
    {
        ZipDirectory directory = ZipDirectory.Read(name, source);
        if (TorchZip.RootOf(directory) is { } root)
            return TorchZip.Open(name, source, directory, root);
        if (directory.Entries.Exists(NumpyCheckpoint.IsArray))
            return NumpyCheckpoint.OpenArchive(name, source, directory);
        throw new CheckpointException($"{name}: this zip archive holds neither PyTorch's data.pkl nor NumPy's .npy files");
    }
}
