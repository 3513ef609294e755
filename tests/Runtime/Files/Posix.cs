using System.Diagnostics;

namespace NativeDiffusion.Tests.Runtime;

/// <summary>Files that only Unix has.</summary>
internal static class Posix
{
    /// <summary>A named pipe in a folder.</summary>
    public static string Pipe(string folder)
    {
        string path = Path.Combine(folder, "pipe");
        using var mkfifo = Process.Start("mkfifo", path);
        mkfifo.WaitForExit();
        return path;
    }
}
