namespace NativeDiffusion.Kernels;

/// <summary>A block of float32 elements on the device of one <see cref="IKernels"/>; views point into it.</summary>
public abstract class DeviceMemory : IDisposable
{
    /// <summary>Number of float32 elements.</summary>
    public abstract long Length { get; }

    /// <summary>Makes room for at least <paramref name="length"/> elements. Contents are lost when the block grows; views stay valid.</summary>
    public abstract void EnsureLength(long length);

    /// <inheritdoc/>
    public abstract void Dispose();
}
