namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <summary>How matrices are multiplied.</summary>
    internal MatrixArithmetic Arithmetic { get; init; }

    /// <summary>Whether the device has the tensor cores of CUDA architecture 8.0 and later.</summary>
    internal bool HasTensorCores { get; set; }

    private string ArithmeticName => Arithmetic == MatrixArithmetic.Ieee ? "" : $", {Arithmetic.ToString().ToLowerInvariant()}{(HasTensorCores ? "" : " without tensor cores")}";

    /// <summary>1 if rows of <paramref name="columns"/> floats may be moved four at a time: all begin on 128 bits.</summary>
    private static int InVectors(int columns, params ReadOnlySpan<TensorView> tensors)
    {
        foreach (var tensor in tensors)
            if (!tensor.IsEmpty && tensor.Offset % 4 != 0) return 0;
        return columns % 4 == 0 ? 1 : 0;
    }

    /// <summary>
    /// result = left right in the arithmetic that was chosen. A narrower format is multiplied on tensor cores, or, where there are none, as float32
    /// values rounded to it: the same factors, in another order of the sum.
    /// </summary>
    private void Multiply<TLeft, TRight, TResult>(TLeft left, TRight right, TResult result, int rows, int columns, int depth, int slices = 1)
        where TLeft : struct, IGemmOperand
        where TRight : struct, IGemmOperand
        where TResult : struct, IGemmResult
    {
        var extents = new GemmExtents { Rows = rows, Columns = columns, Depth = depth, Slices = slices };
        if (Arithmetic == MatrixArithmetic.Tf32) MultiplyRounded<TLeft, TRight, TResult, Tf32Format>(left, right, result, extents);
        else if (Arithmetic == MatrixArithmetic.Bf16) MultiplyRounded<TLeft, TRight, TResult, Bf16Format>(left, right, result, extents);
        else MultiplyExact(left, right, result, extents);
    }

    private void MultiplyRounded<TLeft, TRight, TResult, TFormat>(TLeft left, TRight right, TResult result, in GemmExtents extents)
        where TLeft : struct, IGemmOperand
        where TRight : struct, IGemmOperand
        where TResult : struct, IGemmResult
        where TFormat : struct, IMatrixFormat
    {
        if (!HasTensorCores)
        {
            MultiplyExact(new RoundedOperand<TLeft, TFormat> { Operand = left }, new RoundedOperand<TRight, TFormat> { Operand = right }, result, extents);
            return;
        }
        Launch(
            new TensorCoreGemmKernel<TLeft, TRight, TResult, TFormat>
            {
                Left = left,
                Right = right,
                Result = result,
                Tiles = extents.TilesDown,
                SliceLength = SliceLength(extents.Depth, extents.Slices),
                Depth = extents.Depth,
            },
            (long)extents.TilesDown * extents.Slices, extents.TilesAcross);
    }

    private void MultiplyExact<TLeft, TRight, TResult>(TLeft left, TRight right, TResult result, in GemmExtents extents)
        where TLeft : struct, IGemmOperand
        where TRight : struct, IGemmOperand
        where TResult : struct, IGemmResult => Launch(
            new GemmKernel<TLeft, TRight, TResult>
            {
                Left = left,
                Right = right,
                Result = result,
                Tiles = extents.TilesDown,
                SliceLength = SliceLength(extents.Depth, extents.Slices),
                Depth = extents.Depth,
            },
            (long)extents.TilesDown * extents.Slices, extents.TilesAcross);

    /// <summary>Slices of a long sum that give a few hundred groups work, by the shape alone; each takes at least 256 values.</summary>
    private static int Slices(int rows, int columns, int depth)
    {
        var whole = new GemmExtents { Rows = rows, Columns = columns };
        int slices = (int)Math.Clamp(256 / ((long)whole.TilesDown * whole.TilesAcross), 1, Math.Max(1, depth / 256));
        int length = SliceLength(depth, slices);
        return (depth + length - 1) / length;
    }

    /// <summary>In whole steps of either kernel.</summary>
    private static int SliceLength(int depth, int slices)
    {
        const int Unit = 2 * TensorCoreStage.Words;
        return (depth + slices * Unit - 1) / (slices * Unit) * Unit;
    }

    /// <summary>The extents of a product and what follows from them.</summary>
    private readonly struct GemmExtents
    {
        public int Rows { get; init; }

        public int Columns { get; init; }

        public int Depth { get; init; }

        public int Slices { get; init; }

        public int TilesDown => (Rows + Gemm.TileRows - 1) / Gemm.TileRows;

        public int TilesAcross => (Columns + Gemm.TileColumns - 1) / Gemm.TileColumns;
    }
}
