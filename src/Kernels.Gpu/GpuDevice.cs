namespace NativeDiffusion.Kernels;

/// <summary>A device that kernels can run on beside the CPU backend.</summary>
/// <param name="Id">What <see cref="GpuDevices.Open"/> takes: cuda:0, opencl:0, <see cref="Simulation"/>.</param>
/// <param name="Name">The name that its driver gives it.</param>
/// <param name="MemoryBytes">Bytes of its memory.</param>
/// <param name="Capability">Architecture or version, in words.</param>
/// <param name="Problem">Why it cannot be used, and what to do about it; null if it can.</param>
public sealed record GpuDevice(string Id, string Name, long MemoryBytes, string Capability, string? Problem = null)
{
    /// <summary>The <see cref="Id"/> of ILGPU's simulation of a GPU on the CPU: there in every build with GPU support, and very slow.</summary>
    public const string Simulation = "ilgpu-cpu";
}
