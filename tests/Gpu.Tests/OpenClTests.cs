using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The GPU tests on the first OpenCL device, where a platform is found: on a machine without a GPU, PoCL 6 or later (POCL_MEMORY_LIMIT=8 bounds its memory, in GB).</summary>
[TestFixture]
[Explicit("All cases in a child process, on a CPU many minutes.")]
public sealed class OpenClTests
{
    [Test, Category("OpenCl")]
    public void Every_test_passes()
    {
        var devices = GpuDevices.List().Where(d => d.Id.StartsWith("opencl", StringComparison.Ordinal)).ToArray();
        if (devices.FirstOrDefault(d => d.Problem is null) is not { } device)
        {
            Assert.Ignore(devices.Length == 0
                ? "No OpenCL platform is found here; pocl-opencl-icd brings one for CPUs."
                : $"No OpenCL device here can be used: {devices[0].Name}: {devices[0].Problem}");
            return;
        }
        ChildRun.Of("FullyQualifiedName!~PtxTests&FullyQualifiedName!~PtxCpuTests&FullyQualifiedName!~OpenClTests&FullyQualifiedName!~CudaLauncherTests", new() { ["ND_GPU_DEVICE"] = device.Id }, TimeSpan.FromHours(2));
    }
}
