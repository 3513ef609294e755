namespace ILGPU.Runtime;

public enum AcceleratorType
{
    CPU,
    Cuda,
    OpenCL,
}

public abstract class Device
{
    private protected Device()
    {
    }

    public AcceleratorType AcceleratorType => AcceleratorType.CPU;

    public string Name { get; protected set; } = "<Unknown>";

    public long MemorySize { get; protected set; }

    public Index3D MaxGridSize { get; protected set; }

    public Index3D MaxGroupSize { get; protected set; }

    public int MaxNumThreadsPerGroup { get; protected set; }

    public int NumMultiprocessors { get; protected set; }

    public int MaxSharedMemoryPerGroup { get; protected set; }

    public int WarpSize { get; protected set; }

    public abstract Accelerator CreateAccelerator(Context context);
}
