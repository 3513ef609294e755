using System.Runtime.InteropServices;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>Memory that ends where a page begins that can be neither read nor written (Linux).</summary>
internal sealed unsafe partial class ProtectedPages : IDisposable
{
    private const int ReadWrite = 3, None = 0, PrivateAnonymous = 0x22;
    private readonly nint _start;
    private readonly nuint _page = (nuint)Environment.SystemPageSize;

    public ProtectedPages()
    {
        _start = Map(0, 2 * _page, ReadWrite, PrivateAnonymous, -1, 0);
        if (_start == -1 || Protect(_start + (nint)_page, _page, None) != 0)
            throw new InvalidOperationException($"No guarded page: error {Marshal.GetLastPInvokeError()}.");
    }

    /// <summary>The first address that may not be touched.</summary>
    public float* End => (float*)(_start + (nint)_page);

    public void Dispose() => _ = Unmap(_start, 2 * _page);

    [LibraryImport("libc", EntryPoint = "mmap", SetLastError = true)]
    private static partial nint Map(nint address, nuint length, int protection, int flags, int file, nint offset);

    [LibraryImport("libc", EntryPoint = "mprotect", SetLastError = true)]
    private static partial int Protect(nint address, nuint length, int protection);

    [LibraryImport("libc", EntryPoint = "munmap", SetLastError = true)]
    private static partial int Unmap(nint address, nuint length);
}
