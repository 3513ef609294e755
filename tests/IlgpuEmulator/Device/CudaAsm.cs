using System.Runtime.CompilerServices;
using IlgpuEmulator;

namespace ILGPU.Runtime.Cuda;

public static class CudaAsm
{
    /// <summary>The compiled kernel suspends its lane after this until its warp has run the instruction (see WarpInstructions).</summary>
    public static unsafe void EmitRef<T0, T1, T2, T3, T4, T5, T6, T7, T8, T9>(
        string asm,
        ref T0 arg0, ref T1 arg1, ref T2 arg2, ref T3 arg3, ref T4 arg4, ref T5 arg5, ref T6 arg6, ref T7 arg7, ref T8 arg8, ref T9 arg9,
        [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T0 : struct, ICudaAsmEmitParameter
        where T1 : struct, ICudaAsmEmitParameter
        where T2 : struct, ICudaAsmEmitParameter
        where T3 : struct, ICudaAsmEmitParameter
        where T4 : struct, ICudaAsmEmitParameter
        where T5 : struct, ICudaAsmEmitParameter
        where T6 : struct, ICudaAsmEmitParameter
        where T7 : struct, ICudaAsmEmitParameter
        where T8 : struct, ICudaAsmEmitParameter
        where T9 : struct, ICudaAsmEmitParameter
    {
        // What the references point to lies in the lane's frame, which does not move.
        ReadOnlySpan<nint> registers =
        [
            (nint)Unsafe.AsPointer(ref arg0), (nint)Unsafe.AsPointer(ref arg1), (nint)Unsafe.AsPointer(ref arg2), (nint)Unsafe.AsPointer(ref arg3),
            (nint)Unsafe.AsPointer(ref arg4), (nint)Unsafe.AsPointer(ref arg5), (nint)Unsafe.AsPointer(ref arg6), (nint)Unsafe.AsPointer(ref arg7),
            (nint)Unsafe.AsPointer(ref arg8), (nint)Unsafe.AsPointer(ref arg9),
        ];
        LaneContext.ArriveInWarp(asm, registers, file, line);
    }
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

public struct Ref<T> : ICudaAsmEmitParameter
    where T : struct
{
    public T Value;

    public static implicit operator Ref<T>(T v) => new() { Value = v };
}
