using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

/// <summary>
/// The memory that plans of different sizes share; one of them runs at a time. It grows to the largest plan, and views stay valid when it
/// does. What a plan left in it is lost when another plan runs. It serves one plan at a time: the second gets an <see cref="InvalidOperationException"/>,
/// and so does whoever disposes it while a plan runs.
/// </summary>
public sealed class Arena : IDisposable
{
    /// <summary>An empty arena on the device of <paramref name="kernels"/>.</summary>
    public Arena(IKernels kernels)
    {
        Memory = kernels.Allocate(0);
        Memory.Guard = new UseGuard(nameof(Arena), "Its memory serves one plan at a time; give each thread an arena of its own.");
    }

    /// <summary>Bytes reserved so far.</summary>
    public long Bytes => Memory.Length * sizeof(float);

    internal DeviceMemory Memory { get; }

    /// <inheritdoc/>
    public void Dispose() => Memory.Dispose();
}
