using IlgpuEmulator;
using ILGPU.Runtime;

namespace ILGPU;

/// <summary>Has one device, the emulated one.</summary>
public sealed partial class Context : Util.DisposeBase
{
    private Context()
    {
    }

    public static Context CreateDefault() => new();

    public Device GetPreferredDevice(bool preferCPU) => EmulatedGpu.Instance;
}
