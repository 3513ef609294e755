using IlgpuEmulator;

namespace ILGPU.Runtime
{
    [Serializable]
    public abstract class AcceleratorException : Exception
    {
        protected AcceleratorException()
        {
        }

        protected AcceleratorException(string message)
            : base(message)
        {
        }

        protected AcceleratorException(string message, Exception innerException)
            : base(message, innerException)
        {
        }

        public abstract AcceleratorType AcceleratorType { get; }
    }

    public abstract class AcceleratorStream : AcceleratorObject
    {
        private protected AcceleratorStream(Accelerator accelerator)
            : base(accelerator)
        {
        }

        public abstract void Synchronize();
    }

    public readonly struct KernelSpecialization
    {
        public static readonly KernelSpecialization Empty;

        public KernelSpecialization(int? maxNumThreadsPerGroup, int? minNumGroupsPerMultiprocessor)
        {
            MaxNumThreadsPerGroup = maxNumThreadsPerGroup;
            MinNumGroupsPerMultiprocessor = minNumGroupsPerMultiprocessor;
        }

        public int? MaxNumThreadsPerGroup { get; }

        public int? MinNumGroupsPerMultiprocessor { get; }
    }

    public abstract class Accelerator : Util.DisposeBase
    {
        private readonly HashSet<AcceleratorObject> _owned = [];

        private protected Accelerator(Context context, Device device)
        {
            Context = context;
            Device = device;
            DefaultStream = CreateStream();
        }

        /// <summary>In a kernel: the type it was compiled for.</summary>
        public static AcceleratorType CurrentType => AcceleratorType.CPU;

        public Context Context { get; }

        public Device Device { get; }

        public AcceleratorStream DefaultStream { get; protected set; }

        public AcceleratorType AcceleratorType => Device.AcceleratorType;

        public string Name => Device.Name;

        public long MemorySize => Device.MemorySize;

        public Index3D MaxGridSize => Device.MaxGridSize;

        public Index3D MaxGroupSize => Device.MaxGroupSize;

        public int MaxNumThreadsPerGroup => Device.MaxNumThreadsPerGroup;

        public int MaxSharedMemoryPerGroup => Device.MaxSharedMemoryPerGroup;

        public int MaxConstantMemory => Device.MaxConstantMemory;

        public int WarpSize => Device.WarpSize;

        public int NumMultiprocessors => Device.NumMultiprocessors;

        public int MaxNumThreadsPerMultiprocessor => Device.MaxNumThreadsPerMultiprocessor;

        public int MaxNumThreads => Device.MaxNumThreads;

        public AcceleratorStream CreateStream() => new ImmediateStream(this);

        public void Synchronize() => EmulatorOptions.Failing?.ThrowIfLost();

        public MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(long length)
            where T : unmanaged => Allocate1D<T, Stride1D.Dense>(length, default);

        public unsafe MemoryBuffer1D<T, TStride> Allocate1D<T, TStride>(long length, TStride stride)
            where T : unmanaged
            where TStride : struct, IStride1D
        {
            ArgumentOutOfRangeException.ThrowIfNegative(length);
            long bytes = checked(stride.ComputeBufferLength(new LongIndex1D(length)) * sizeof(T));
            EmulatorOptions.Failing?.Allocate(bytes);
            var memory = new DeviceMemory(bytes);
            var whole = new ArrayView<T>((byte*)memory.Address, 0, length, memory.Number);
            return new MemoryBuffer1D<T, TStride>(this, memory, new ArrayView1D<T, TStride>(whole, length, stride));
        }

        public override string ToString() => Device.ToString();

        internal KernelLauncher Load(Delegate kernel) => new(this, kernel);

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

    /// <summary>Everything has happened when a call returns.</summary>
    internal sealed class ImmediateStream(Accelerator accelerator) : AcceleratorStream(accelerator)
    {
        public override void Synchronize()
        {
        }

        protected override void DisposeAcceleratorObject(bool disposing)
        {
        }
    }
}

namespace ILGPU.Runtime.CPU
{
    public sealed class CPUAccelerator : Accelerator
    {
        internal CPUAccelerator(Context context, CPUDevice device)
            : base(context, device)
        {
        }
    }
}
