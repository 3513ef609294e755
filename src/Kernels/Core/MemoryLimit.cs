using System.Globalization;

namespace NativeDiffusion.Kernels;

/// <summary>How much memory a process may have: what a container or service allows it (Linux's control groups), else what the computer has.</summary>
internal static class MemoryLimit
{
    /// <summary>In bytes; null where the system does not say.</summary>
    public static long? OfProcess()
    {
        long? group = OperatingSystem.IsLinux() ? OfGroups("/sys/fs/cgroup", "/proc/self/cgroup") : null;
        return group ?? (GC.GetGCMemoryInfo().TotalAvailableMemoryBytes is > 0 and var all ? all : null);
    }

    /// <summary>The least limit of a process's groups and those around them.</summary>
    /// <param name="root">Where groups are mounted.</param>
    /// <param name="membership">The file that says the process's groups.</param>
    public static long? OfGroups(string root, string membership)
    {
        try
        {
            long? least = null;
            foreach (string[] line in File.ReadLines(membership).Select(line => line.Split(':', 3)).Where(line => line.Length == 3))
            {
                bool unified = line[1].Length == 0;
                if (!unified && !line[1].Split(',').Contains("memory")) continue;
                string mount = unified ? root : Path.Combine(root, "memory"), file = unified ? "memory.max" : "memory.limit_in_bytes";
                // Inside a container the path may be one of the host, which is not there; what is there then is the container's root.
                for (string? group = line[2].TrimEnd('/'); group is not null; group = group.Length > 0 ? group[..group.LastIndexOf('/')] : null)
                    if (Read(Path.Combine(mount, group.TrimStart('/'), file)) is { } limit) least = Math.Min(least ?? limit, limit);
            }
            return least;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // "max", or in the first version a number beyond any memory, is none.
    private static long? Read(string file) =>
        File.Exists(file) && long.TryParse(File.ReadAllText(file).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out long limit) && limit < 1L << 50 ? limit : null;
}
