namespace NativeDiffusion.Kernels;

/// <summary>A device that kernels can run on beside the CPU backend.</summary>
/// <param name="Id">What <see cref="GpuDevices.Open"/> takes: cuda:0, opencl:0, ilgpu-cpu.</param>
/// <param name="Name">The name that its driver gives it.</param>
/// <param name="MemoryBytes">Bytes of its memory.</param>
/// <param name="Capability">Architecture or version, in words.</param>
public sealed record GpuDevice(string Id, string Name, long MemoryBytes, string Capability);

/// <summary>A GPU was asked for that is not there, is too old, was lost or has too little memory; the message names the remedy.</summary>
public sealed class GpuException : Exception
{
    /// <summary>With what was wrong and what to do.</summary>
    public GpuException(string message, Exception? cause = null)
        : base(message, cause) { }
}
