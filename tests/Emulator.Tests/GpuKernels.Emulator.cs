using ILGPU;
using IlgpuEmulator;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    static partial void Forget(ArrayView<float> memory) => EmulatorMemory.Forget(memory);
}
