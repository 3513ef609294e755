using System.Runtime.InteropServices;
using System.Text;

namespace NativeDiffusion.Runtime;

/// <summary>What .NET does not tell about files of Unix: whether one is a pipe or a device, and that a folder's entries are on the disk.</summary>
internal static unsafe partial class PosixFile
{
    private const int CurrentFolder = -100, TypeOnly = 1, StatxBytes = 256, ModeOffset = 28; // of the kernel's struct statx
    private const int TypeMask = 0xF000, Regular = 0x8000, Folder = 0x4000, Pipe = 0x1000, Socket = 0xC000;
    private const int WriteOnly = 1, LinuxNonBlocking = 0x800;

    /// <summary>A word for a file that is there and neither regular nor a folder, links followed; null for any other path.</summary>
    public static string? SpecialKind(string path)
    {
        if (OperatingSystem.IsWindows()) return null;
        if (!OperatingSystem.IsLinux()) return Path.GetFullPath(path).StartsWith("/dev/", StringComparison.Ordinal) && File.Exists(path) ? "device" : null;
        byte* answer = stackalloc byte[StatxBytes];
        if (Statx(CurrentFolder, path, 0, TypeOnly, answer) != 0) return null;
        return (*(ushort*)(answer + ModeOffset) & TypeMask) switch
        {
            Regular or Folder => null,
            Pipe => "pipe",
            Socket => "socket",
            _ => "device",
        };
    }

    /// <summary>Opens a device, or a pipe, for writing; waits for nobody.</summary>
    /// <exception cref="IOException">Nobody reads the pipe.</exception>
    public static FileStream OpenSpecial(string path)
    {
        int held = OperatingSystem.IsLinux() ? Open(path, WriteOnly | LinuxNonBlocking) : -1;
        if (held < 0 && OperatingSystem.IsLinux() && SpecialKind(path) == "pipe") throw new IOException("it is a pipe that nobody reads");
        try
        {
            // Writes may wait, as opening may not: a reader that was there keeps this from waiting.
            return new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        }
        finally
        {
            if (held >= 0) _ = Close(held);
        }
    }

    /// <summary>Waits until a new or renamed entry of a folder is on the disk; where a system cannot, nothing happens.</summary>
    public static void SyncFolder(string folder)
    {
        if (OperatingSystem.IsWindows()) return;
        int file = Open(folder, 0);
        if (file < 0) return;
        _ = Sync(file);
        _ = Close(file);
    }

    /// <summary>The beginning of a file as text, whoever has it locked; empty where it cannot be read.</summary>
    public static string ReadStart(string path)
    {
        if (OperatingSystem.IsWindows()) return "";
        int file = Open(path, 0);
        if (file < 0) return "";
        byte* bytes = stackalloc byte[StatxBytes];
        nint got = Read(file, bytes, StatxBytes);
        _ = Close(file);
        return got > 0 ? Encoding.UTF8.GetString(bytes, (int)got) : "";
    }

    /// <summary>
    /// Fills the places of standard input, output and error where the caller closed them: a file that is opened later would get one of them, and the messages with it.
    /// What is written to them still fails.
    /// </summary>
    public static void ReserveStandardFiles()
    {
        if (OperatingSystem.IsWindows()) return;
        for (int file = Open("/dev/null", 0); file >= 0; file = Open("/dev/null", 0))
            if (file > 2)
            {
                _ = Close(file);
                return;
            }
    }

    [LibraryImport("libc", EntryPoint = "statx", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int folder, string path, int flags, uint mask, byte* answer);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags);

    [LibraryImport("libc", EntryPoint = "fsync")]
    private static partial int Sync(int file);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint Read(int file, byte* bytes, nuint count);

    [LibraryImport("libc", EntryPoint = "close")]
    private static partial int Close(int file);
}
