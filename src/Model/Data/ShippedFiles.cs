namespace NativeDiffusion.Model.Data;

/// <summary>Finds the files that come with the tool: digits under <c>data/</c>, trained models under <c>models/</c>.</summary>
public static class ShippedFiles
{
    /// <summary>
    /// Finds <paramref name="relativePath"/> beside the running program, or else in the nearest folder above it or above the
    /// current folder, so that programs run from a checkout find its <c>data/</c> and <c>models/</c>.
    /// </summary>
    /// <param name="relativePath">Path with forward slashes, for example <c>data/train-images-idx3-ubyte.gz</c>.</param>
    /// <returns>The full path of an existing file.</returns>
    /// <exception cref="FileNotFoundException">No such file; the message names the folders looked in.</exception>
    public static string Find(string relativePath)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(relativePath);
        return Find(relativePath, AppContext.BaseDirectory, Directory.GetCurrentDirectory());
    }

    /// <summary>A path that the current folder does not have, beside the program where it is there; else as it is.</summary>
    internal static string BesideProgram(string path)
    {
        if (Path.IsPathRooted(path) || Path.Exists(path)) return path;
        string beside = Path.Combine(AppContext.BaseDirectory, path);
        return Path.Exists(beside) ? beside : path;
    }

    internal static string Find(string relativePath, params ReadOnlySpan<string> startFolders)
    {
        foreach (string start in startFolders)
            for (DirectoryInfo? folder = new(start); folder is not null; folder = folder.Parent)
            {
                string candidate = Path.GetFullPath(Path.Combine(folder.FullName, relativePath));
                if (File.Exists(candidate))
                    return candidate;
            }

        throw new FileNotFoundException(
            $"The shipped file '{relativePath}' was not found. Looked in these folders and every folder above them: " +
            $"{string.Join(", ", startFolders.ToArray().Select(folder => $"'{folder}'"))}. " +
            "Put the file beside the program, or name your own data or model.", relativePath);
    }
}
