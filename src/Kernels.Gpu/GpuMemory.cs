using ILGPU;
using ILGPU.Runtime;

namespace NativeDiffusion.Kernels;

/// <summary>A block of memory on a GPU. What it holds before the first write is undefined; on the emulator, reading it is a finding.</summary>
internal sealed class GpuMemory : DeviceMemory
{
    private readonly Accelerator _accelerator;
    private MemoryBuffer1D<float, Stride1D.Dense>? _buffer;

    public GpuMemory(Accelerator accelerator, long length)
    {
        _accelerator = accelerator;
        EnsureLength(length);
    }

    public override long Length => _buffer?.Length ?? 0;

    /// <summary>All elements; only of a block that has some.</summary>
    public ArrayView<float> View => _buffer!.View;

    public override void EnsureLength(long length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        if (length <= Length) return;
        _buffer?.Dispose();
        _buffer = null;
        try
        {
            _buffer = _accelerator.Allocate1D<float>(length);
        }
        catch (Exception e) when (e is AcceleratorException or OutOfMemoryException)
        {
            throw new GpuException(
                $"{_accelerator.Name} has no room for {length * sizeof(float) / 1e6:0} MB more; it has {_accelerator.MemorySize / 1e6:0} MB in all. "
                + "Use a smaller batch, for activations are most of what a plan needs (bench shows how much), or another device.", e);
        }
    }

    /// <summary>Sets all elements to zero.</summary>
    public void Clear() => _buffer?.MemSetToZero();

    public override void Dispose()
    {
        _buffer?.Dispose();
        _buffer = null;
    }
}
