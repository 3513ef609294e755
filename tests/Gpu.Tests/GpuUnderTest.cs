using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The devices that the shared GPU tests run on: every one that ILGPU finds, or the one that the environment variable ND_GPU_DEVICE names.</summary>
internal static class GpuUnderTest
{
    private static readonly string Named = Environment.GetEnvironmentVariable("ND_GPU_DEVICE") ?? "";

    public static string[] Devices { get; } = Named.Length > 0 ? [Named] : [.. GpuDevices.List().Where(d => d.Problem is null).Select(d => d.Id)];

    /// <summary>Whether only some tests run there: all take minutes on the simulation, which must be asked for by name.</summary>
    public static bool IsSelective(string device) => device == GpuDevice.Simulation && Named.Length == 0;

    /// <summary>On tensor cores where the device has them, unless <paramref name="portable"/>.</summary>
    public static IKernels Open(string device, MatrixArithmetic arithmetic = MatrixArithmetic.Ieee, bool portable = false)
    {
        var kernels = (GpuKernels)GpuDevices.Open(device, arithmetic);
        kernels.HasTensorCores &= !portable;
        return kernels;
    }

    /// <summary>Makes every element of a tensor NaN, so that a kernel that reads one before it is written gives a wrong result.</summary>
    public static void Poison(IKernels kernels, TensorView tensor) => kernels.Upload([.. Enumerable.Repeat(float.NaN, (int)tensor.Count)], tensor);
}
