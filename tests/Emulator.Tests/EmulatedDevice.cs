using ILGPU;
using ILGPU.Runtime;

namespace NativeDiffusion.Tests.Emulator;

/// <summary>An emulated accelerator that lives as long as a test.</summary>
internal sealed class EmulatedDevice : IDisposable
{
    private readonly Context _context = Context.CreateDefault();

    internal EmulatedDevice() => Accelerator = _context.GetPreferredDevice(preferCPU: false).CreateAccelerator(_context);

    internal Accelerator Accelerator { get; }

    public void Dispose()
    {
        Accelerator.Dispose();
        _context.Dispose();
    }

    internal ArrayView<float> Upload(params float[] values) => Accelerator.Allocate1D(values).View;

    internal ArrayView<float> Allocate(int length) => Accelerator.Allocate1D<float>(length).View;
}
