using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli;

/// <summary>Finds out before the work, not after it, that its result cannot be written; and removes what killed runs left behind where it goes.</summary>
internal static class WritableFolder
{
    private const string Probe = ".probe-";

    /// <summary>Makes the folder if need be and tries to write in it.</summary>
    /// <exception cref="IOException">Nothing can be written there; the message says why.</exception>
    public static void Require(string folder)
    {
        Try(folder);
        AtomicFile.RemoveRemains(folder);
        foreach (string probe in Directory.EnumerateFiles(folder, Probe + "*").Where(file => Guid.TryParse(Path.GetFileName(file)[Probe.Length..], out _)).ToArray())
            File.Delete(probe);
    }

    /// <summary>The same for the folder of a file that is to be written.</summary>
    /// <exception cref="IOException">The file cannot be written; the message says why.</exception>
    public static void RequireFor(string file)
    {
        if (Directory.Exists(file)) throw new IOException($"Cannot write '{file}': it is a folder; name a file inside it.");
        if (PosixFile.SpecialKind(file) is not null) return;
        file = AtomicFile.TargetOf(file);
        string folder = Path.GetDirectoryName(file) ?? file;
        Try(folder);
        AtomicFile.RemoveRemains(folder, Path.GetFileName(file));
    }

    private static void Try(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            string probe = Path.Combine(folder, $"{Probe}{Guid.NewGuid():N}");
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot write in the folder '{folder}': {e.Message.TrimEnd('.')}.", e);
        }
    }
}
