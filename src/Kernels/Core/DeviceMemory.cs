namespace NativeDiffusion.Kernels;

/// <summary>
/// A block of float32 elements on the device of one <see cref="IKernels"/>; views point into it. Several callers may read it at once, or one
/// write it; a call that comes in between, and disposing what is in use, is an <see cref="InvalidOperationException"/>.
/// </summary>
public abstract class DeviceMemory : IDisposable
{
    /// <summary>Only the devices of this library have memory.</summary>
    internal DeviceMemory() { }

    /// <summary>Number of float32 elements; 0 once it was disposed.</summary>
    public abstract long Length { get; }

    /// <summary>Who uses it. Blocks that are used and freed together share one guard.</summary>
    internal UseGuard Guard { get; set; } = new(nameof(DeviceMemory), "It has one writer at a time, or several readers.");

    /// <summary>Makes room for at least <paramref name="length"/> elements. Contents are lost when the block grows; views stay valid.</summary>
    /// <exception cref="DeviceMemoryException">The device has no room for it.</exception>
    /// <exception cref="ObjectDisposedException">The block was disposed.</exception>
    /// <exception cref="InvalidOperationException">It is in use.</exception>
    public void EnsureLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        Guard.ThrowIfEnded();
        if (length <= Length) return;
        using var use = Guard.Write(nested: true);
        Free();
        Reserve(length);
    }

    /// <summary>Frees the block.</summary>
    /// <exception cref="InvalidOperationException">It is in use.</exception>
    public void Dispose()
    {
        Guard.End();
        lock (Guard) Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Takes a block, where there is none.</summary>
    internal abstract void Reserve(long length);

    /// <summary>Gives the block back, if there is one.</summary>
    internal abstract void Free();
}
