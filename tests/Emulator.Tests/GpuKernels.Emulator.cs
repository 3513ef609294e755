using ILGPU;
using IlgpuEmulator;

namespace NativeDiffusion.Kernels;

public sealed partial class GpuKernels
{
    static partial void Forget(ArrayView<float> memory) => EmulatorMemory.Forget(memory);
}
