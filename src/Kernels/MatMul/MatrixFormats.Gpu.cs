using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime.Cuda;

namespace NativeDiffusion.Kernels;

/// <summary>A format narrower than float32 for the factors of a product, as <see cref="MatrixArithmetic"/> names them.</summary>
internal interface IMatrixFormat
{
    /// <summary>Values in 32 bits.</summary>
    static abstract int PerWord { get; }

    /// <summary>The nearest value of the format, ties to even; too large ones become infinite, NaN stays NaN.</summary>
    static abstract float Round(float value);

    /// <summary>Values k and k + 1, rounded, as tensor cores take them; of a format with one value in 32 bits the first alone.</summary>
    static abstract uint Word(float first, float second);

    /// <summary>
    /// sums += left right on tensor cores, by all 32 lanes of a warp at once: a product of 16 rows and 8 columns over 8 words of k. With g = lane / 4
    /// and t = lane % 4, a lane brings words t and t + 4 of left rows g (a0, a2) and g + 8 (a1, a3) and of right column g (b0, b1), and holds
    /// columns 2 t and 2 t + 1 of rows g (X, Y) and g + 8 (Z, W). PTX ISA, "Matrix fragments for mma.m16n8k8" and "mma.m16n8k16".
    /// </summary>
    static abstract void Multiply(ref F4 sums, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1);
}

internal struct Tf32Format : IMatrixFormat
{
    public static int PerWord => 1;

    public static float Round(float value) => Interop.IntAsFloat(Word(value, 0));

    public static uint Word(float first, float second) => Rounding.Nearest(first, 13);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(ref F4 sums, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1)
    {
        Ref<float> x = sums.X, y = sums.Y, z = sums.Z, w = sums.W;
        Input<uint> i0 = a0, i1 = a1, i2 = a2, i3 = a3, j0 = b0, j1 = b1;
        CudaAsm.EmitRef(
            "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};",
            ref x, ref y, ref z, ref w, ref i0, ref i1, ref i2, ref i3, ref j0, ref j1);
        sums = new F4 { X = x.Value, Y = y.Value, Z = z.Value, W = w.Value };
    }
}

internal struct Bf16Format : IMatrixFormat
{
    public static int PerWord => 2;

    public static float Round(float value) => Interop.IntAsFloat(Rounding.Nearest(value, 16));

    public static uint Word(float first, float second) => Rounding.Nearest(first, 16) >> 16 | Rounding.Nearest(second, 16);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Multiply(ref F4 sums, uint a0, uint a1, uint a2, uint a3, uint b0, uint b1)
    {
        Ref<float> x = sums.X, y = sums.Y, z = sums.Z, w = sums.W;
        Input<uint> i0 = a0, i1 = a1, i2 = a2, i3 = a3, j0 = b0, j1 = b1;
        CudaAsm.EmitRef(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};",
            ref x, ref y, ref z, ref w, ref i0, ref i1, ref i2, ref i3, ref j0, ref j1);
        sums = new F4 { X = x.Value, Y = y.Value, Z = z.Value, W = w.Value };
    }
}

internal static class Rounding
{
    /// <summary>Bits of the nearest value whose last <paramref name="dropped"/> bits are zero, ties to even; NaN stays NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Nearest(float value, int dropped)
    {
        uint bits = Interop.FloatAsInt(value), rest = (1u << dropped) - 1;
        uint rounded = bits + (rest >> 1) + (bits >> dropped & 1);
        return ((bits & 0x7FFFFFFF) > 0x7F800000 ? bits | 0x00400000 : rounded) & ~rest;
    }
}

/// <summary>An operand whose values are rounded: what tensor cores multiply, for devices that have none.</summary>
internal struct RoundedOperand<TOperand, TFormat> : IGemmOperand
    where TOperand : struct, IGemmOperand
    where TFormat : struct, IMatrixFormat
{
    public TOperand Operand;

    public static int AlongK => TOperand.AlongK;

    public readonly GemmPlace AtIndex(int index) => Operand.AtIndex(index);

    public readonly GemmPlace AtK(int k) => Operand.AtK(k);

    public readonly F4 Load(GemmPlace index, GemmPlace k)
    {
        var values = Operand.Load(index, k);
        return new F4 { X = TFormat.Round(values.X), Y = TFormat.Round(values.Y), Z = TFormat.Round(values.Z), W = TFormat.Round(values.W) };
    }
}
