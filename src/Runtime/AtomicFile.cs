namespace NativeDiffusion.Runtime;

/// <summary>Replaces a file in one step: a reader sees the old content or the new, never a part of it.</summary>
public static class AtomicFile
{
    /// <summary>
    /// Calls <paramref name="write"/> on a temporary file beside <paramref name="path"/>, flushes it to the disk and moves it into place.
    /// A missing parent folder is created. When anything fails the temporary file is deleted and the old file stays as it was.
    /// </summary>
    /// <param name="path">File to create or replace.</param>
    /// <param name="write">Writes the whole content; the stream can seek and is closed by the caller.</param>
    /// <exception cref="IOException">The file cannot be written; the message names the path and the cause.</exception>
    /// <remarks>An exception of <paramref name="write"/> that is not about files or access leaves unchanged, after the clean-up.</remarks>
    public static void Write(string path, Action<Stream> write)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(write);
        string? temporary = null;
        try
        {
            if (Directory.Exists(path) || Path.EndsInDirectorySeparator(path))
                throw new IOException("it is a folder; name a file inside it");
            string? folder = Path.GetDirectoryName(Path.GetFullPath(path));
            if (folder is not null)
                Directory.CreateDirectory(folder);
            using (FileStream stream = CreateBeside(path))
            {
                temporary = stream.Name;
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error)
        {
            if (temporary is not null)
                DeleteIfPossible(temporary);
            if (error is not (IOException or UnauthorizedAccessException))
                throw;
            string cause = error.Message.TrimEnd('.');
            throw new IOException($"Cannot write '{path}': {cause}. A file that was there before is unchanged.", error);
        }
    }

    private static FileStream CreateBeside(string path)
    {
        // At random: a process with the same id, before this one or in another container, may have left names of a sequence behind.
        string name = $"{path}.tmp-{Environment.ProcessId}-{Random.Shared.NextInt64():x}";
        return new FileStream(name, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1 << 16);
    }

    private static void DeleteIfPossible(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The first failure is the one to report.
        }
    }
}
