namespace ILGPU.Runtime
{
    public enum AcceleratorType
    {
        CPU,
        Cuda,
        OpenCL,
    }

    public abstract class Device
    {
        private protected Device(AcceleratorType acceleratorType) => AcceleratorType = acceleratorType;

        public AcceleratorType AcceleratorType { get; }

        public string Name { get; protected set; } = "<Unknown>";

        public long MemorySize { get; protected set; }

        public Index3D MaxGridSize { get; protected set; }

        public Index3D MaxGroupSize { get; protected set; }

        public int MaxNumThreadsPerGroup { get; protected set; }

        public int MaxSharedMemoryPerGroup { get; protected set; }

        public int MaxConstantMemory { get; protected set; }

        public int WarpSize { get; protected set; }

        public int NumMultiprocessors { get; protected set; }

        public int MaxNumThreadsPerMultiprocessor { get; protected set; }

        public int MaxNumThreads => NumMultiprocessors * MaxNumThreadsPerMultiprocessor;

        public abstract Accelerator CreateAccelerator(Context context);

        public override string ToString() =>
            $"{Name} [Type: {AcceleratorType}, WarpSize: {WarpSize}, MaxNumThreadsPerGroup: {MaxNumThreadsPerGroup}]";
    }
}

namespace ILGPU.Runtime.CPU
{
    public enum CPUDeviceKind
    {
        Default,
        Nvidia,
        AMD,
        LegacyAMD,
        Intel,
    }

    /// <summary>
    /// The emulated device. Unlike ILGPU's, it has the limits of a GPU: the default allows 1024 threads, and shared memory is 48 KB.
    /// </summary>
    public sealed class CPUDevice : Device
    {
        public static readonly CPUDevice Default = new(32, 32, 1);
        public static readonly CPUDevice Nvidia = new(32, 32, 1);
        public static readonly CPUDevice AMD = new(32, 8, 1);
        public static readonly CPUDevice LegacyAMD = new(64, 4, 1);
        public static readonly CPUDevice Intel = new(16, 8, 1);

        public CPUDevice(int numThreadsPerWarp, int numWarpsPerMultiprocessor, int numMultiprocessors)
            : base(AcceleratorType.CPU)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(numThreadsPerWarp, 2);
            ArgumentOutOfRangeException.ThrowIfLessThan(numWarpsPerMultiprocessor, 1);
            ArgumentOutOfRangeException.ThrowIfLessThan(numMultiprocessors, 1);
            int threads = numThreadsPerWarp * numWarpsPerMultiprocessor;
            ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 1024, nameof(numWarpsPerMultiprocessor));
            Name = "ILGPU emulator";
            WarpSize = numThreadsPerWarp;
            MaxNumThreadsPerGroup = threads;
            MaxNumThreadsPerMultiprocessor = threads;
            NumMultiprocessors = numMultiprocessors;
            NumThreads = MaxNumThreads;
            MaxGroupSize = new Index3D(threads, threads, Math.Min(threads, 64));
            MaxGridSize = new Index3D(int.MaxValue, ushort.MaxValue, ushort.MaxValue);
            MemorySize = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
            MaxSharedMemoryPerGroup = 48 * 1024;
            MaxConstantMemory = 64 * 1024;
        }

        public int NumThreads { get; }

        public static CPUDevice GetDevice(CPUDeviceKind kind) => kind switch
        {
            CPUDeviceKind.Nvidia => Nvidia,
            CPUDeviceKind.AMD => AMD,
            CPUDeviceKind.LegacyAMD => LegacyAMD,
            CPUDeviceKind.Intel => Intel,
            _ => Default,
        };

        public override Accelerator CreateAccelerator(Context context) => CreateCPUAccelerator(context);

        public CPUAccelerator CreateCPUAccelerator(Context context) => new(context, this);
    }

    public static class CPUContextExtensions
    {
        public static Context.Builder DefaultCPU(this Context.Builder builder) => builder.CPU(CPUDeviceKind.Default);

        public static Context.Builder CPU(this Context.Builder builder, CPUDeviceKind kind) => builder.CPU(CPUDevice.GetDevice(kind));

        public static Context.Builder CPU(this Context.Builder builder, CPUDevice device)
        {
            builder.Devices.Add(device);
            return builder;
        }

        public static Context.Builder CPU(this Context.Builder builder) => builder.CPU(CPUDeviceKind.Default);

        public static Context.Builder CPU(this Context.Builder builder, Predicate<CPUDevice> predicate)
        {
            if (predicate(CPUDevice.Default))
                builder.Devices.Add(CPUDevice.Default);
            return builder;
        }

        public static CPUDevice GetCPUDevice(this Context context, int cpuDeviceIndex) => context.GetDevice<CPUDevice>(cpuDeviceIndex);

        public static CPUAccelerator CreateCPUAccelerator(this Context context, int cpuDeviceIndex) =>
            context.GetCPUDevice(cpuDeviceIndex).CreateCPUAccelerator(context);
    }
}
