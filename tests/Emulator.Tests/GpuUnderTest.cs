using ILGPU;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The device that the shared GPU tests run on: the emulator, which also looks for races and stray accesses.</summary>
internal static class GpuUnderTest
{
    public static IKernels Open()
    {
        var context = Context.CreateDefault();
        return new GpuKernels(context, context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context));
    }
}
