using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The register tile behind every matrix product: C = A B or C += A B with C's columns in lanes. Each element is one chain of fused
/// multiply-adds over the steps in ascending order, so its bits do not depend on tile shapes or on how callers cut rows, columns or steps.
/// </summary>
internal static unsafe class MatrixProduct
{
    /// <summary>Rows that a product may write past its last one: C needs room for a multiple of this.</summary>
    public const int RowGranularity = 8;

    /// <summary>How many blocks of <paramref name="size"/> cover <paramref name="count"/>.</summary>
    public static int Blocks(int count, int size) => (count + size - 1) / size;

    /// <summary>The smallest multiple of <paramref name="size"/> that is at least <paramref name="count"/>.</summary>
    public static int RoundUp(int count, int size) => Blocks(count, size) * size;

    private interface ITile
    {
        static abstract bool EightRows { get; }

        static abstract bool TwoVectors { get; }
    }

    private readonly struct EightByTwo : ITile
    {
        public static bool EightRows => true;

        public static bool TwoVectors => true;
    }

    private readonly struct EightByOne : ITile
    {
        public static bool EightRows => true;

        public static bool TwoVectors => false;
    }

    private readonly struct FourByTwo : ITile
    {
        public static bool EightRows => false;

        public static bool TwoVectors => true;
    }

    private readonly struct FourByOne : ITile
    {
        public static bool EightRows => false;

        public static bool TwoVectors => false;
    }

    /// <summary>
    /// C[i, j] (+)= sum over s of a[i * aRow + s * aStep] * b[s * bStep + j], for <paramref name="rows"/> x <paramref name="columns"/>
    /// elements. B and C must have columns up to a multiple of the lane count and C rows up to a multiple of
    /// <see cref="RowGranularity"/>: what lies there is read as garbage and overwritten with garbage. A is read within its bounds only.
    /// </summary>
    public static void Multiply<V>(
        float* a, nint aRow, nint aStep, int rows, float* b, nint bStep, int steps, float* c, nint cRow, int columns, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        for (int j = 0; j < columns; j += 2 * V.Count)
        {
            bool two = columns - j > V.Count;
            int i = 0;
            while (i < rows)
            {
                int left = rows - i;
                // Sixteen accumulators need more registers than narrower instruction sets have.
                bool eight = V.Count == 16 && left > 4;
                float* ai = a + i * aRow;
                float* ci = c + i * cRow + j;
                if (eight && two) Tile<V, EightByTwo>(ai, aRow, aStep, left, b + j, bStep, steps, ci, cRow, accumulate);
                else if (eight) Tile<V, EightByOne>(ai, aRow, aStep, left, b + j, bStep, steps, ci, cRow, accumulate);
                else if (two) Tile<V, FourByTwo>(ai, aRow, aStep, left, b + j, bStep, steps, ci, cRow, accumulate);
                else Tile<V, FourByOne>(ai, aRow, aStep, left, b + j, bStep, steps, ci, cRow, accumulate);
                i += eight ? 8 : 4;
            }
        }
    }

    // Not inlined: in a caller that profiling found hot, the inliner's budget would end before the steps are inlined.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Tile<V, TTile>(
        float* a, nint aRow, nint aStep, int rows, float* b, nint bStep, nint steps, float* c, nint cRow, bool accumulate)
        where V : unmanaged, ILanes<V>
        where TTile : ITile
    {
        // Rows past the last one repeat it, so that a partial tile reads nothing outside A.
        int last = rows - 1;
        float* a0 = a;
        float* a1 = a + (last < 1 ? last : 1) * aRow;
        float* a2 = a + (last < 2 ? last : 2) * aRow;
        float* a3 = a + (last < 3 ? last : 3) * aRow;
        float* a4 = a + (last < 4 ? last : 4) * aRow;
        float* a5 = a + (last < 5 ? last : 5) * aRow;
        float* a6 = a + (last < 6 ? last : 6) * aRow;
        float* a7 = a + (last < 7 ? last : 7) * aRow;
        V c00 = V.Zero, c10 = V.Zero, c20 = V.Zero, c30 = V.Zero, c40 = V.Zero, c50 = V.Zero, c60 = V.Zero, c70 = V.Zero;
        V c01 = V.Zero, c11 = V.Zero, c21 = V.Zero, c31 = V.Zero, c41 = V.Zero, c51 = V.Zero, c61 = V.Zero, c71 = V.Zero;
        if (accumulate)
        {
            float* p = c;
            Read<V, TTile>(ref p, cRow, ref c00, ref c01);
            Read<V, TTile>(ref p, cRow, ref c10, ref c11);
            Read<V, TTile>(ref p, cRow, ref c20, ref c21);
            Read<V, TTile>(ref p, cRow, ref c30, ref c31);
            if (TTile.EightRows)
            {
                Read<V, TTile>(ref p, cRow, ref c40, ref c41);
                Read<V, TTile>(ref p, cRow, ref c50, ref c51);
                Read<V, TTile>(ref p, cRow, ref c60, ref c61);
                Read<V, TTile>(ref p, cRow, ref c70, ref c71);
            }
        }
        nint s = 0;
        for (nint k = steps; k > 0; k--)
        {
            V b0 = V.Load(b);
            V b1 = TTile.TwoVectors ? V.Load(b + V.Count) : b0;
            Step<V, TTile>(a0[s], b0, b1, ref c00, ref c01);
            Step<V, TTile>(a1[s], b0, b1, ref c10, ref c11);
            Step<V, TTile>(a2[s], b0, b1, ref c20, ref c21);
            Step<V, TTile>(a3[s], b0, b1, ref c30, ref c31);
            if (TTile.EightRows)
            {
                Step<V, TTile>(a4[s], b0, b1, ref c40, ref c41);
                Step<V, TTile>(a5[s], b0, b1, ref c50, ref c51);
                Step<V, TTile>(a6[s], b0, b1, ref c60, ref c61);
                Step<V, TTile>(a7[s], b0, b1, ref c70, ref c71);
            }
            s += aStep;
            b += bStep;
        }
        float* q = c;
        Write<V, TTile>(ref q, cRow, c00, c01);
        Write<V, TTile>(ref q, cRow, c10, c11);
        Write<V, TTile>(ref q, cRow, c20, c21);
        Write<V, TTile>(ref q, cRow, c30, c31);
        if (TTile.EightRows)
        {
            Write<V, TTile>(ref q, cRow, c40, c41);
            Write<V, TTile>(ref q, cRow, c50, c51);
            Write<V, TTile>(ref q, cRow, c60, c61);
            Write<V, TTile>(ref q, cRow, c70, c71);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<V, TTile>(float a, V b0, V b1, ref V c0, ref V c1)
        where V : unmanaged, ILanes<V>
        where TTile : ITile
    {
        V lanes = V.Broadcast(a);
        c0 = V.MultiplyAdd(lanes, b0, c0);
        if (TTile.TwoVectors) c1 = V.MultiplyAdd(lanes, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Read<V, TTile>(ref float* c, nint cRow, ref V c0, ref V c1)
        where V : unmanaged, ILanes<V>
        where TTile : ITile
    {
        c0 = V.Load(c);
        if (TTile.TwoVectors) c1 = V.Load(c + V.Count);
        c += cRow;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<V, TTile>(ref float* c, nint cRow, V c0, V c1)
        where V : unmanaged, ILanes<V>
        where TTile : ITile
    {
        V.Store(c, c0);
        if (TTile.TwoVectors) V.Store(c + V.Count, c1);
        c += cRow;
    }
}
