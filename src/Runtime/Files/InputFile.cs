namespace NativeDiffusion.Runtime;

/// <summary>Opens files that are read: regular ones only, for a pipe has no length, cannot be read twice, and may never begin.</summary>
internal static class InputFile
{
    /// <summary>Opens a file to be read.</summary>
    /// <exception cref="IOException">There is none, or it is a pipe or a device; the message names it.</exception>
    public static FileStream Open(string path)
    {
        RequireRegular(path);
        return File.OpenRead(path);
    }

    /// <summary>All bytes of a file.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static byte[] ReadAllBytes(string path)
    {
        RequireRegular(path);
        return File.ReadAllBytes(path);
    }

    /// <summary>All of a text file.</summary>
    /// <inheritdoc cref="Open" path="/exception"/>
    public static string ReadAllText(string path)
    {
        RequireRegular(path);
        return File.ReadAllText(path);
    }

    /// <summary>Refuses what is no regular file, before anything waits for it.</summary>
    /// <exception cref="IOException">It is a pipe, a socket or a device.</exception>
    public static void RequireRegular(string path)
    {
        if (PosixFile.SpecialKind(path) is { } kind)
            throw new IOException($"'{path}' is a {kind}, not a file: it cannot be read at any place, nor twice. Write what comes from it to a file, and give that.");
    }
}
