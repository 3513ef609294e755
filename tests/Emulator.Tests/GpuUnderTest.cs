using ILGPU;
using IlgpuEmulator;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Tests.Gpu;

/// <summary>The device that the shared GPU tests run on: the emulator, which also looks for races and stray accesses.</summary>
internal static class GpuUnderTest
{
    public static string[] Devices => ["emulator"];

    /// <summary>Whether only some tests run there.</summary>
    public static bool IsSelective(string device) => false;

    /// <summary>Tensor cores are emulated too; <paramref name="portable"/> does without.</summary>
    public static IKernels Open(string device, MatrixArithmetic arithmetic = MatrixArithmetic.Ieee, bool portable = false)
    {
        var context = Context.CreateDefault();
        return new GpuKernels(context, context.GetPreferredDevice(preferCPU: false).CreateAccelerator(context)) { Arithmetic = arithmetic, HasTensorCores = !portable };
    }

    /// <summary>Makes the elements of a tensor unwritten: a kernel that reads one before it is written is a finding.</summary>
    public static void Poison(IKernels kernels, TensorView tensor) =>
        EmulatorMemory.Forget(((GpuMemory)tensor.Memory!).View.SubView(tensor.Offset, tensor.Count));
}
