using IlgpuEmulator;

namespace ILGPU.Runtime;

public abstract class MemoryBuffer : AcceleratorObject
{
    private protected MemoryBuffer(Accelerator accelerator, DeviceMemory memory, long length, int elementSize)
        : base(accelerator)
    {
        Memory = memory;
        Length = length;
        ElementSize = elementSize;
        memory.Buffer = this;
    }

    public long Length { get; }

    public int ElementSize { get; }

    public long LengthInBytes => Length * ElementSize;

    internal DeviceMemory Memory { get; }

    protected override void DisposeAcceleratorObject(bool disposing)
    {
        Memory.Free();
        if (disposing)
            EmulatorOptions.Failing?.Free(LengthInBytes);
    }
}

public class MemoryBuffer<TView> : MemoryBuffer, IContiguousArrayView
    where TView : struct, IArrayView
{
    internal MemoryBuffer(Accelerator accelerator, DeviceMemory memory, in TView view)
        : base(accelerator, memory, view.Length, view.ElementSize) => View = view;

    MemoryBuffer IArrayView.Buffer => this;

    long IContiguousArrayView.IndexInBytes => 0;

    public bool IsValid => !IsDisposed;

    public TView View { get; private set; }

    protected override void DisposeAcceleratorObject(bool disposing)
    {
        base.DisposeAcceleratorObject(disposing);
        View = default;
    }
}

public class MemoryBuffer1D<T, TStride> : MemoryBuffer<ArrayView1D<T, TStride>>
    where T : unmanaged
    where TStride : struct, IStride1D
{
    internal MemoryBuffer1D(Accelerator accelerator, DeviceMemory memory, in ArrayView1D<T, TStride> view)
        : base(accelerator, memory, view)
    {
    }
}
