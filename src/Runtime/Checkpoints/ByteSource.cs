using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Bytes that can be read at any position, from several threads.</summary>
internal abstract partial class ByteSource : IDisposable
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
            if (PosixFile.SpecialKind(path) is { } kind)
                throw new CheckpointException($"{path}: this is not a regular file but a {kind}, and weights are read at any place: write what comes from it to a file, and give that");
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            return new FileBytes(handle);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new CheckpointException(
                $"{path}: there is no such file{(IsOnline(path) ? "; it looks like an address or the name of a model on a hub, and nothing is downloaded: fetch the file, and give its path" : "")}", error);
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

    // An address, or the owner/name of hubs: no folder of the first part is here.
    private static bool IsOnline(string path) =>
        path.Contains("://", StringComparison.Ordinal) || HubName().IsMatch(path) && Path.GetDirectoryName(path) is { } folder && !Directory.Exists(folder);

    [GeneratedRegex(@"^[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*$")]
    private static partial Regex HubName();
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
