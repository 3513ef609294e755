using System.Runtime.InteropServices;

namespace NativeDiffusion.Kernels;

/// <summary>
/// Asks Linux to back a large block by pages of 2 MB: touching new memory, which takes most of the time of loading a checkpoint, is several
/// times faster. Where the system does not offer it, nothing happens.
/// </summary>
internal static unsafe partial class HugePages
{
    private const nuint PageSize = 4096, SmallestBlock = 8 << 20;
    private const int Advice = 14; // MADV_HUGEPAGE

    public static void Advise(void* block, nuint bytes)
    {
        if (!OperatingSystem.IsLinux() || bytes < SmallestBlock) return;
        nuint first = ((nuint)block + PageSize - 1) / PageSize * PageSize;
        try
        {
            _ = MemoryAdvise((void*)first, ((nuint)block + bytes - first) / PageSize * PageSize, Advice);
        }
        catch (Exception e) when (e is DllNotFoundException or EntryPointNotFoundException)
        {
            // Advice only: without it the memory is the same, but slower to touch.
        }
    }

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int MemoryAdvise(void* address, nuint length, int advice);
}
