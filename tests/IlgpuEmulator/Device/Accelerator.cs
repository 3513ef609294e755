using IlgpuEmulator;

namespace ILGPU.Runtime;

[Serializable]
public abstract class AcceleratorException : Exception
{
    protected AcceleratorException(string message)
        : base(message)
    {
    }
}

public abstract class AcceleratorStream : AcceleratorObject
{
    private protected AcceleratorStream(Accelerator accelerator)
        : base(accelerator)
    {
    }
}

public abstract class Accelerator : Util.DisposeBase
{
    private readonly HashSet<AcceleratorObject> _owned = [];

    private protected Accelerator(Device device)
    {
        Device = device;
        DefaultStream = new ImmediateStream(this);
    }

    public Device Device { get; }

    public AcceleratorStream DefaultStream { get; protected set; }

    public AcceleratorType AcceleratorType => AcceleratorType.CPU;

    public string Name => Device.Name;

    public long MemorySize => Device.MemorySize;

    public int MaxNumThreadsPerGroup => Device.MaxNumThreadsPerGroup;

    public void Bind() { }

    public void Synchronize() => EmulatorOptions.Failing?.ThrowIfLost();

    public unsafe MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(long length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        long bytes = checked(length * sizeof(T));
        EmulatorOptions.Failing?.Allocate(bytes);
        var memory = new DeviceMemory(bytes);
        return new MemoryBuffer1D<T, Stride1D.Dense>(this, memory, new(new ArrayView<T>((byte*)memory.Address, 0, length, memory.Number)));
    }

    internal KernelLauncher Load(Delegate kernel, int? threads = null) => new(Device, kernel, threads);

    internal void Own(AcceleratorObject child)
    {
        lock (_owned)
            _owned.Add(child);
    }

    internal void Disown(AcceleratorObject child)
    {
        lock (_owned)
            _owned.Remove(child);
    }

    protected sealed override void Dispose(bool disposing)
    {
        AcceleratorObject[] children;
        lock (_owned)
            children = [.. _owned];
        foreach (var child in children)
            child.Dispose();
    }
}
