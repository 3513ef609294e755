using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The device that the shared GPU tests run on: the one that ND_GPU_DEVICE names, or ILGPU's simulation.</summary>
internal static class GpuUnderTest
{
    public static IKernels Open() => GpuDevices.Open(Environment.GetEnvironmentVariable("ND_GPU_DEVICE") ?? "ilgpu-cpu");
}
