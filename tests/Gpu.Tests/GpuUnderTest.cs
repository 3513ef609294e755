using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The device that the shared GPU tests run on: the one that ND_GPU_DEVICE names; without it they are ignored, as the simulation takes minutes.</summary>
internal static class GpuUnderTest
{
    /// <summary>On tensor cores where the device has them, unless <paramref name="portable"/>.</summary>
    public static IKernels Open(MatrixArithmetic arithmetic = MatrixArithmetic.Ieee, bool portable = false)
    {
        if (Environment.GetEnvironmentVariable("ND_GPU_DEVICE") is { Length: > 0 } device)
        {
            var kernels = (GpuKernels)GpuDevices.Open(device, arithmetic);
            kernels.HasTensorCores &= !portable;
            return kernels;
        }
        Assert.Ignore("Set ND_GPU_DEVICE to cuda:0, or to ilgpu-cpu for ILGPU's simulation.");
        throw new InvalidOperationException();
    }

    /// <summary>Makes every element of a tensor NaN, so that a kernel that reads one before it is written gives a wrong result.</summary>
    public static void Poison(IKernels kernels, TensorView tensor) => kernels.Upload([.. Enumerable.Repeat(float.NaN, (int)tensor.Count)], tensor);
}
