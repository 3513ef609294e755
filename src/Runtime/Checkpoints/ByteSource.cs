using Microsoft.Win32.SafeHandles;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Bytes that can be read at any position, from several threads.</summary>
internal abstract class ByteSource : IDisposable
{
    public abstract long Length { get; }

    /// <summary>Fills the destination.</summary>
    /// <exception cref="EndOfStreamException">The source ends before.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public abstract void Read(long position, Span<byte> destination);

    public abstract void Dispose();

    /// <summary>Opens a regular file.</summary>
    /// <exception cref="CheckpointException">There is none, or it cannot be opened.</exception>
    public static ByteSource OpenFile(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            return new FileBytes(handle);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException($"{path}: there is no such file", error);
        }
        catch (NotSupportedException error)
        {
            handle?.Dispose();
            throw new CheckpointException($"{path}: this is not a regular file", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            handle?.Dispose();
            throw new CheckpointException(
                Directory.Exists(path) ? $"{path}: this is a folder, not a file" : $"{path}: cannot be opened: {error.Message}", error);
        }
    }
}

/// <summary>A file, read without a shared position.</summary>
internal sealed class FileBytes(SafeFileHandle handle) : ByteSource
{
    public override long Length { get; } = RandomAccess.GetLength(handle);

    public override void Read(long position, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int got = RandomAccess.Read(handle, destination, position);
            if (got == 0)
                throw new EndOfStreamException($"it ends at byte {position}");
            destination = destination[got..];
            position += got;
        }
    }

    public override void Dispose() => handle.Dispose();
}

/// <summary>A stream from its current position on; calls run one after the other.</summary>
internal sealed class StreamBytes(Stream stream, bool leaveOpen) : ByteSource
{
    private readonly long _start = stream.Position;
    private readonly Lock _lock = new();

    public override long Length { get; } = stream.Length - stream.Position;

    public override void Read(long position, Span<byte> destination)
    {
        lock (_lock)
        {
            stream.Position = _start + position;
            stream.ReadExactly(destination);
        }
    }

    public override void Dispose()
    {
        if (!leaveOpen)
            stream.Dispose();
    }
}
