using System.Diagnostics.CodeAnalysis;

// Devices that never exist here: the types let host code that asks for them compile.
namespace ILGPU.Runtime.Cuda
{
    public sealed class CudaDevice : Device
    {
        private CudaDevice()
            : base(AcceleratorType.Cuda)
        {
        }

        public int DeviceId => 0;

        public CudaArchitecture? Architecture => null;

        public int MaxSharedMemoryPerMultiprocessor => 0;

        public override Accelerator CreateAccelerator(Context context) => throw new NotSupportedException();
    }

    public readonly struct CudaArchitecture : IEquatable<CudaArchitecture>, IComparable<CudaArchitecture>
    {
        public static readonly CudaArchitecture SM_70 = new(7, 0);
        public static readonly CudaArchitecture SM_75 = new(7, 5);
        public static readonly CudaArchitecture SM_80 = new(8, 0);
        public static readonly CudaArchitecture SM_86 = new(8, 6);
        public static readonly CudaArchitecture SM_89 = new(8, 9);
        public static readonly CudaArchitecture SM_90 = new(9, 0);

        public CudaArchitecture(int major, int minor)
        {
            Major = major;
            Minor = minor;
        }

        public int Major { get; }

        public int Minor { get; }

        public bool Equals(CudaArchitecture other) => CompareTo(other) == 0;

        public int CompareTo(CudaArchitecture other) => (Major, Minor).CompareTo((other.Major, other.Minor));

        public override bool Equals(object? obj) => obj is CudaArchitecture other && Equals(other);

        public override int GetHashCode() => (Major, Minor).GetHashCode();

        public override string ToString() => $"SM_{Major}{Minor}";

        public static bool operator ==(CudaArchitecture first, CudaArchitecture second) => first.CompareTo(second) == 0;

        public static bool operator !=(CudaArchitecture first, CudaArchitecture second) => first.CompareTo(second) != 0;

        public static bool operator <(CudaArchitecture first, CudaArchitecture second) => first.CompareTo(second) < 0;

        public static bool operator <=(CudaArchitecture first, CudaArchitecture second) => first.CompareTo(second) <= 0;

        public static bool operator >(CudaArchitecture first, CudaArchitecture second) => first.CompareTo(second) > 0;

        public static bool operator >=(CudaArchitecture first, CudaArchitecture second) => first.CompareTo(second) >= 0;
    }

    [SuppressMessage("Design", "CA1032:Implement standard exception constructors", Justification = "As ILGPU's.")]
    public sealed class CudaException : AcceleratorException
    {
        public CudaException()
        {
        }

        public CudaException(string message)
            : base(message)
        {
        }

        public CudaException(string message, Exception innerException)
            : base(message, innerException)
        {
        }

        public string Error => "N/A";

        public override AcceleratorType AcceleratorType => AcceleratorType.Cuda;
    }

    public static class CudaContextExtensions
    {
        public static Context.Builder Cuda(this Context.Builder builder) => builder;

        public static Context.Builder Cuda(this Context.Builder builder, Predicate<CudaDevice> predicate) => builder;
    }
}

namespace ILGPU.Runtime.OpenCL
{
    public sealed class CLDevice : Device
    {
        private CLDevice()
            : base(AcceleratorType.OpenCL)
        {
        }

        public string VendorName => "";

        public override Accelerator CreateAccelerator(Context context) => throw new NotSupportedException();
    }

    [SuppressMessage("Design", "CA1032:Implement standard exception constructors", Justification = "As ILGPU's.")]
    public sealed class CLException : AcceleratorException
    {
        public CLException()
        {
        }

        public CLException(string message)
            : base(message)
        {
        }

        public CLException(string message, Exception innerException)
            : base(message, innerException)
        {
        }

        public override AcceleratorType AcceleratorType => AcceleratorType.OpenCL;
    }

    public static class CLContextExtensions
    {
        public static Context.Builder OpenCL(this Context.Builder builder) => builder;

        public static Context.Builder OpenCL(this Context.Builder builder, Predicate<CLDevice> predicate) => builder;
    }
}
