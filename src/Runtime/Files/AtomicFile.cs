using System.Text.RegularExpressions;

namespace NativeDiffusion.Runtime;

/// <summary>Replaces a file in one step: a reader sees the old content or the new, never a part of it.</summary>
public static partial class AtomicFile
{
    private const int Attempts = 4;

    /// <summary>
    /// Calls <paramref name="write"/> on a temporary file beside <paramref name="path"/>, flushes it to the disk and moves it into place; then the folder is flushed.
    /// A missing parent folder is created. When anything fails the temporary file is deleted and the old file stays as it was. A link is followed, so that its
    /// target is replaced; a file that is replaced keeps its mode; into a pipe or a device the content is copied once it is whole.
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
            if (PosixFile.SpecialKind(path) is not null)
            {
                WriteThrough(path, write);
                return;
            }
            string target = TargetOf(path);
            string? folder = Path.GetDirectoryName(target);
            if (folder is not null)
                Directory.CreateDirectory(folder);
            using (FileStream stream = CreateBeside(target))
            {
                temporary = stream.Name;
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            if (!OperatingSystem.IsWindows() && File.Exists(target))
                File.SetUnixFileMode(temporary, File.GetUnixFileMode(target));
            File.Move(temporary, target, overwrite: true);
            if (folder is not null)
                PosixFile.SyncFolder(folder);
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

    /// <summary>Deletes the temporary files that killed processes left in a folder; those of processes at work are locked, and stay.</summary>
    /// <param name="folder">The folder; it need not exist.</param>
    /// <param name="name">Only those of a file of this name; all if null.</param>
    internal static void RemoveRemains(string folder, string? name = null)
    {
        if (!Directory.Exists(folder)) return;
        foreach (string remains in Directory.EnumerateFiles(folder, (name ?? "*") + ".tmp-*").Where(file => Temporary().IsMatch(file)).ToArray())
            try
            {
                using (new FileStream(remains, FileMode.Open, FileAccess.ReadWrite, FileShare.None)) { }
                File.Delete(remains);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Somebody is at work on it, or it is not ours to delete; either way it is in nobody's way.
            }
    }

    /// <summary>The file that a path means: of a link, what it leads to, whether it is there or not.</summary>
    internal static string TargetOf(string path)
    {
        FileInfo file = new(path);
        return (file.LinkTarget is null ? null : file.ResolveLinkTarget(returnFinalTarget: true)?.FullName) ?? file.FullName;
    }

    // What writes may seek, which a pipe cannot.
    private static void WriteThrough(string path, Action<Stream> write)
    {
        using FileStream target = PosixFile.OpenSpecial(path);
        using FileStream whole = new(Path.GetTempFileName(), FileMode.Open, FileAccess.ReadWrite, FileShare.None, 1 << 16, FileOptions.DeleteOnClose);
        write(whole);
        whole.Position = 0;
        whole.CopyTo(target);
    }

    private static FileStream CreateBeside(string path)
    {
        for (int attempt = 1; ; attempt++)
        {
            // At random: a process with the same id, before this one or in another container, may have left names of a sequence behind.
            string name = $"{path}.tmp-{Environment.ProcessId}-{Random.Shared.NextInt64():x}";
            try
            {
                return new FileStream(name, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None, bufferSize: 1 << 16);
            }
            catch (IOException) when (attempt < Attempts && File.Exists(name))
            {
                // Another process that looks for remains had it open between its making and its locking.
                DeleteIfPossible(name);
            }
        }
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

    [GeneratedRegex(@"\.tmp-[0-9]+-[0-9a-f]+$")]
    private static partial Regex Temporary();
}
