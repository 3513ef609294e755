using System.Runtime.InteropServices;

namespace NativeDiffusion.Kernels;

/// <summary>Native memory aligned to 64 bytes, outside the garbage collector's sight, zero when allocated.</summary>
public sealed unsafe class CpuMemory : DeviceMemory
{
    // Below, no limit is worth the files that are read for it.
    private const nuint SmallestChecked = 256 << 20;
    private const nuint Alignment = 64;
    private void* _block;
    private long _length;

    /// <summary>Allocates <paramref name="length"/> zeroed elements (0 is allowed).</summary>
    /// <exception cref="DeviceMemoryException">There is not enough memory.</exception>
    public CpuMemory(long length) => EnsureLength(length);

    /// <inheritdoc/>
    public override long Length => _length;

    internal float* Pointer { get; private set; }

    internal override void Reserve(long length)
    {
        nuint bytes = checked((nuint)length * sizeof(float));
        // The system would promise more than a container may have, and kill the process when it is used.
        if (bytes >= SmallestChecked && MemoryLimit.OfProcess() is { } most && bytes > (nuint)most)
            throw NoRoom(bytes, most, most, null);
        try
        {
            // The system hands out large blocks as untouched zero pages: what is never written costs nothing, and nothing is zeroed twice.
            _block = NativeMemory.AllocZeroed(checked(bytes + Alignment));
            Pointer = (float*)(((nuint)_block + Alignment - 1) / Alignment * Alignment);
            HugePages.Advise(Pointer, bytes);
        }
        catch (OutOfMemoryException e)
        {
            var memory = GC.GetGCMemoryInfo();
            long total = memory.TotalAvailableMemoryBytes, free = Math.Max(0, total - memory.MemoryLoadBytes);
            throw NoRoom(bytes, free, total, e);
        }
        _length = length;
    }

    private static DeviceMemoryException NoRoom(nuint bytes, long free, long total, OutOfMemoryException? cause) =>
        new($"There is no room for {bytes / 1000 / 1000} MB of memory. Use a smaller batch or network.", "cpu", (long)bytes, free, total, cause);

    /// <summary>Frees the block of an owner that was never disposed.</summary>
    ~CpuMemory() => Free();

    internal override void Free()
    {
        NativeMemory.Free(_block);
        _block = null;
        Pointer = null;
        _length = 0;
    }
}
