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
        NativePtr = memory.Address;
    }

    public IntPtr NativePtr { get; protected set; }

    public long Length { get; }

    public int ElementSize { get; }

    public long LengthInBytes => Length * ElementSize;

    internal DeviceMemory Memory { get; }

    public ArrayView<byte> AsRawArrayView() => AsRawArrayView(0L, LengthInBytes);

    public ArrayView<byte> AsRawArrayView(long offsetInBytes) => AsRawArrayView(offsetInBytes, LengthInBytes - offsetInBytes);

    public ArrayView<byte> AsRawArrayView(long offsetInBytes, long lengthInBytes) => new(this, offsetInBytes, lengthInBytes);

    protected override void DisposeAcceleratorObject(bool disposing)
    {
        Memory.Free();
        NativePtr = 0;
        if (disposing)
            EmulatorOptions.Failing?.Free(LengthInBytes);
    }
}

public interface IMemoryBuffer<in TView> : IContiguousArrayView
    where TView : struct, IArrayView
{
}

public class MemoryBuffer<TView> : MemoryBuffer, IMemoryBuffer<TView>
    where TView : struct, IArrayView
{
    internal MemoryBuffer(Accelerator accelerator, DeviceMemory memory, in TView view)
        : base(accelerator, memory, view.Length, view.ElementSize)
    {
        memory.Buffer = this;
        View = view;
    }

    MemoryBuffer IArrayView.Buffer => this;

    long IContiguousArrayView.Index => 0;

    long IContiguousArrayView.IndexInBytes => 0;

    public TView View { get; private set; }

    public bool IsValid => !IsDisposed;

    public static implicit operator TView(MemoryBuffer<TView> buffer) => buffer.View;

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

    public LongIndex1D Extent => View.Extent;

    public Index1D IntExtent => View.IntExtent;

    public ArrayView<T> AsContiguous() => View.AsContiguous();

    public static explicit operator ArrayView<T>(MemoryBuffer1D<T, TStride> buffer) => buffer.AsContiguous();
}
