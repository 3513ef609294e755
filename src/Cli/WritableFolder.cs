namespace NativeDiffusion.Cli;

/// <summary>Finds out before the work, not after it, that its result cannot be written.</summary>
internal static class WritableFolder
{
    /// <summary>Makes the folder if need be and tries to write in it.</summary>
    /// <exception cref="IOException">Nothing can be written there; the message says why.</exception>
    public static void Require(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
            string probe = Path.Combine(folder, $".probe-{Environment.ProcessId}-{Guid.NewGuid():N}");
            using (new FileStream(probe, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new IOException($"Cannot write in the folder '{folder}': {e.Message.TrimEnd('.')}.", e);
        }
    }

    /// <summary>The same for the folder of a file that is to be written.</summary>
    /// <exception cref="IOException">The file cannot be written; the message says why.</exception>
    public static void RequireFor(string file)
    {
        if (Directory.Exists(file)) throw new IOException($"Cannot write '{file}': it is a folder; name a file inside it.");
        Require(Path.GetDirectoryName(Path.GetFullPath(file)) ?? file);
    }
}
