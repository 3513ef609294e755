namespace ILGPU.Runtime.Cuda;

/// <summary>PTX cannot be emulated: kernels that emit it have a portable twin, and only that one runs here.</summary>
public static partial class CudaAsm
{
    public static bool IsSupported => false;

    public static void Emit(string asm) => throw Unsupported(asm);

    private static NotSupportedException Unsupported(string asm) =>
        new($"The emulator cannot run PTX ('{asm}'); launch the kernel's portable twin.");
}

public interface ICudaAsmEmitParameter
{
}

public struct Input<T> : ICudaAsmEmitParameter
    where T : struct
{
    public T Value;

    public static implicit operator Input<T>(T v) => new() { Value = v };
}

public struct Output<T> : ICudaAsmEmitParameter
    where T : struct
{
    public T Value;
}

public struct Ref<T> : ICudaAsmEmitParameter
    where T : struct
{
    public T Value;

    public static implicit operator Ref<T>(T v) => new() { Value = v };
}
