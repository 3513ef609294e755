using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// The memory that plans of different sizes share; one of them runs at a time. It grows to the largest plan, and views stay valid when it
/// does. What a plan left in it is lost when another plan runs.
/// </summary>
public sealed class Arena : IDisposable
{
    /// <summary>An empty arena on the device of <paramref name="kernels"/>.</summary>
    public Arena(IKernels kernels) => Memory = kernels.Allocate(0);

    /// <summary>Bytes reserved so far.</summary>
    public long Bytes => Memory.Length * sizeof(float);

    internal DeviceMemory Memory { get; }

    /// <inheritdoc/>
    public void Dispose() => Memory.Dispose();
}
