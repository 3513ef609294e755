using ILGPU;
using ILGPU.Runtime;

namespace NativeDiffusion.Kernels;

/// <summary>A block of memory on a GPU. What it holds before the first write is undefined; on the emulator, reading it is a finding.</summary>
internal sealed class GpuMemory : DeviceMemory
{
    private readonly GpuKernels _device;
    private MemoryBuffer1D<float, Stride1D.Dense>? _buffer;

    public GpuMemory(GpuKernels device, long length)
    {
        _device = device;
        EnsureLength(length);
    }

    public override long Length => _buffer?.Length ?? 0;

    /// <summary>All elements; only of a block that has some.</summary>
    public ArrayView<float> View => _buffer!.View;

    internal override void Reserve(long length) => _buffer = _device.AllocateBuffer(length);

    /// <summary>Sets all elements to zero, in a stream.</summary>
    public void Clear(AcceleratorStream stream) => _buffer?.MemSetToZero(stream);

    internal override void Free()
    {
        if (_buffer is null) return;
        _device.Free(_buffer);
        _buffer = null;
    }
}
