using ILGPU;
using ILGPU.Runtime;

namespace IlgpuEmulator;

/// <summary>The emulated device, with the limits that every GPU of the last ten years has.</summary>
internal sealed class EmulatedGpu : Device
{
    internal static readonly EmulatedGpu Instance = new();

    private EmulatedGpu()
    {
        Name = "ILGPU emulator";
        WarpSize = 32;
        MaxNumThreadsPerGroup = 1024;
        NumMultiprocessors = 1;
        MaxGroupSize = new Index3D(1024, 1024, 64);
        MaxGridSize = new Index3D(int.MaxValue, ushort.MaxValue, ushort.MaxValue);
        MemorySize = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        MaxSharedMemoryPerGroup = 48 * 1024;
    }

    public override Accelerator CreateAccelerator(Context context) => new EmulatedAccelerator(this);
}

internal sealed class EmulatedAccelerator(Device device) : Accelerator(device)
{
}

/// <summary>Everything has happened when a call returns.</summary>
internal sealed class ImmediateStream(Accelerator accelerator) : AcceleratorStream(accelerator)
{
    protected override void DisposeAcceleratorObject(bool disposing)
    {
    }
}
