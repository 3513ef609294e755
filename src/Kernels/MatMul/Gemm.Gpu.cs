using System.Runtime.CompilerServices;
using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>One factor of a product: rows of a left factor, or columns of a right one, along the summation index k; zero outside.</summary>
internal interface IGemmOperand
{
    /// <summary>Whether <see cref="Load"/> takes four values of k (1) or four indices (0), whichever lie side by side in memory.</summary>
    static abstract int AlongK { get; }

    /// <summary>What is to be known of an index (the first of four), whatever k is.</summary>
    GemmPlace AtIndex(int index);

    /// <summary>What is to be known of a k (the first of four), whatever the index is.</summary>
    GemmPlace AtK(int k);

    /// <summary>The values of (index, k .. k + 3), or of (index .. index + 3, k).</summary>
    F4 Load(GemmPlace index, GemmPlace k);
}

/// <summary>An index or a k as its operand finds it best: a convolution's as a place in an image or a window.</summary>
internal struct GemmPlace
{
    public int Index, Y, X;
}

/// <summary>Where a product goes.</summary>
internal interface IGemmResult
{
    /// <summary>Takes columns n .. n + 3 of row m of one slice of the sum; those beyond the last row or column are to be left out.</summary>
    void Store(int slice, int m, int n, F4 sums);
}

/// <summary>
/// result[m][n] = sum over k of left[m][k] right[n][k]: tiles of 128 x 64 for groups of 128 threads, 8 x 8 for each, over steps of 16 in k that are
/// held twice in shared memory, so that the next step is fetched while this one is multiplied. Slices of k are summed apart, for products of few
/// tiles and long sums.
/// </summary>
internal struct GemmKernel<TLeft, TRight, TResult> : IGpuKernel
    where TLeft : struct, IGemmOperand
    where TRight : struct, IGemmOperand
    where TResult : struct, IGemmResult
{
    public TLeft Left;
    public TRight Right;
    public TResult Result;
    public int Tiles, SliceLength, Depth;

    // Rows of shared memory are padded by four floats: off the same bank, but aligned to 128 bits.
    private const int LeftStride = Gemm.TileRows + 4, RightStride = Gemm.TileColumns + 4;
    private const int LeftBuffer = Gemm.Step * LeftStride, RightBuffer = Gemm.Step * RightStride;

    public static int Threads => Gemm.Threads;

    public readonly void Run()
    {
        var left = SharedMemory.Allocate<float>(2 * LeftBuffer);
        var right = SharedMemory.Allocate<float>(2 * RightBuffer);
        int slice = Grid.IdxX / Tiles, m0 = (Grid.IdxX - slice * Tiles) * Gemm.TileRows, n0 = Grid.IdxY * Gemm.TileColumns;
        int first = slice * SliceLength, last = IntrinsicMath.Min(Depth, first + SliceLength);
        // A thread's rows: 4 from one half of the tile, 4 from the other; its columns likewise.
        int row = Group.IdxX / 8 * 4, column = Group.IdxX % 8 * 4;
        var sums = default(GemmSums);
        var places = GemmPlaces.Of(Left, Right, m0, n0);
        var next = default(GemmStep);
        Fetch(ref next, places, first);
        Put(next, left, right, 0);
        Group.Barrier();
        int buffer = 0;
        for (int k = first; k < last; k += Gemm.Step)
        {
            bool more = k + Gemm.Step < last;
            if (more) Fetch(ref next, places, k + Gemm.Step);
            var leftVectors = left.SubView(buffer * LeftBuffer, LeftBuffer).Cast<F4>();
            var rightVectors = right.SubView(buffer * RightBuffer, RightBuffer).Cast<F4>();
            for (int i = 0; i < Gemm.Step; i++)
            {
                int a = (i * LeftStride + row) / 4, b = (i * RightStride + column) / 4;
                sums.Add(leftVectors[a], leftVectors[a + Gemm.TileRows / 8], rightVectors[b], rightVectors[b + Gemm.TileColumns / 8]);
            }
            buffer = 1 - buffer;
            if (more) Put(next, left, right, buffer);
            Group.Barrier();
        }
        int m = m0 + row, n = n0 + column;
        Store(slice, m, n, sums.A0, sums.B0);
        Store(slice, m + 1, n, sums.A1, sums.B1);
        Store(slice, m + 2, n, sums.A2, sums.B2);
        Store(slice, m + 3, n, sums.A3, sums.B3);
        m += Gemm.TileRows / 2;
        Store(slice, m, n, sums.A4, sums.B4);
        Store(slice, m + 1, n, sums.A5, sums.B5);
        Store(slice, m + 2, n, sums.A6, sums.B6);
        Store(slice, m + 3, n, sums.A7, sums.B7);
    }

    private readonly void Store(int slice, int m, int n, F4 low, F4 high)
    {
        Result.Store(slice, m, n, low);
        Result.Store(slice, m, n + Gemm.TileColumns / 2, high);
    }

    private readonly void Fetch(ref GemmStep step, in GemmPlaces places, int k)
    {
        var l = Left.AtK(k + GemmPart.Word<TLeft>(Gemm.TileRows, 0));
        step.L0 = Left.Load(places.L0, l);
        step.L1 = Left.Load(places.L1, TLeft.AlongK != 0 ? l : Left.AtK(k + GemmPart.Word<TLeft>(Gemm.TileRows, 1)));
        step.L2 = Left.Load(places.L2, TLeft.AlongK != 0 ? l : Left.AtK(k + GemmPart.Word<TLeft>(Gemm.TileRows, 2)));
        step.L3 = Left.Load(places.L3, TLeft.AlongK != 0 ? l : Left.AtK(k + GemmPart.Word<TLeft>(Gemm.TileRows, 3)));
        var r = Right.AtK(k + GemmPart.Word<TRight>(Gemm.TileColumns, 0));
        step.R0 = Right.Load(places.R0, r);
        step.R1 = Right.Load(places.R1, TRight.AlongK != 0 ? r : Right.AtK(k + GemmPart.Word<TRight>(Gemm.TileColumns, 1)));
    }

    private static void Put(in GemmStep step, ArrayView<float> left, ArrayView<float> right, int buffer)
    {
        var l = left.SubView(buffer * LeftBuffer, LeftBuffer);
        Put<TLeft>(step.L0, 0, l, Gemm.TileRows);
        Put<TLeft>(step.L1, 1, l, Gemm.TileRows);
        Put<TLeft>(step.L2, 2, l, Gemm.TileRows);
        Put<TLeft>(step.L3, 3, l, Gemm.TileRows);
        var r = right.SubView(buffer * RightBuffer, RightBuffer);
        Put<TRight>(step.R0, 0, r, Gemm.TileColumns);
        Put<TRight>(step.R1, 1, r, Gemm.TileColumns);
    }

    /// <summary>Turned so that k is the row.</summary>
    private static void Put<TOperand>(F4 values, int part, ArrayView<float> target, int tile)
        where TOperand : struct, IGemmOperand
    {
        int index = GemmPart.Index<TOperand>(tile, part), at = GemmPart.Word<TOperand>(tile, part) * (tile + 4) + index;
        if (TOperand.AlongK != 0)
        {
            target[at] = values.X;
            target[at + tile + 4] = values.Y;
            target[at + 2 * (tile + 4)] = values.Z;
            target[at + 3 * (tile + 4)] = values.W;
        }
        else target.Cast<F4>()[at / 4] = values;
    }
}

/// <summary>The extents of <see cref="GemmKernel{TLeft, TRight, TResult}"/>.</summary>
internal static class Gemm
{
    public const int TileRows = 128, TileColumns = 64, Step = 16, Threads = 128;
}

/// <summary>
/// What a thread fetches in every step: four parts of the left tile, of 128 rows and 16 values (or words) of k, and two of the right one, of 64. Each is
/// four side by side; parts have the same k along k, the same rows otherwise.
/// </summary>
internal static class GemmPart
{
    /// <summary>The row or column in its tile, the first of four where <see cref="IGemmOperand.AlongK"/> is 0.</summary>
    public static int Index<TOperand>(int tile, int part)
        where TOperand : struct, IGemmOperand => TOperand.AlongK != 0
            ? (int)((uint)Group.IdxX / (Gemm.Step / 4)) + part * (Gemm.Threads * 4 / Gemm.Step)
            : (int)((uint)Group.IdxX % (uint)(tile / 4)) * 4;

    /// <summary>The value (or word) of k in the step, the first of four where <see cref="IGemmOperand.AlongK"/> is 1.</summary>
    public static int Word<TOperand>(int tile, int part)
        where TOperand : struct, IGemmOperand => TOperand.AlongK != 0
            ? (int)((uint)Group.IdxX % (Gemm.Step / 4)) * 4
            : (int)((uint)Group.IdxX / (uint)(tile / 4)) + part * (Gemm.Threads * 4 / tile);
}

/// <summary>The rows and columns of a thread's parts.</summary>
internal struct GemmPlaces
{
    public GemmPlace L0, L1, L2, L3, R0, R1;

    public static GemmPlaces Of<TLeft, TRight>(in TLeft left, in TRight right, int m0, int n0)
        where TLeft : struct, IGemmOperand
        where TRight : struct, IGemmOperand
    {
        var l = left.AtIndex(m0 + GemmPart.Index<TLeft>(Gemm.TileRows, 0));
        var r = right.AtIndex(n0 + GemmPart.Index<TRight>(Gemm.TileColumns, 0));
        return new GemmPlaces
        {
            L0 = l,
            L1 = TLeft.AlongK == 0 ? l : left.AtIndex(m0 + GemmPart.Index<TLeft>(Gemm.TileRows, 1)),
            L2 = TLeft.AlongK == 0 ? l : left.AtIndex(m0 + GemmPart.Index<TLeft>(Gemm.TileRows, 2)),
            L3 = TLeft.AlongK == 0 ? l : left.AtIndex(m0 + GemmPart.Index<TLeft>(Gemm.TileRows, 3)),
            R0 = r,
            R1 = TRight.AlongK == 0 ? r : right.AtIndex(n0 + GemmPart.Index<TRight>(Gemm.TileColumns, 1)),
        };
    }
}

/// <summary>What a thread fetches of one step.</summary>
internal struct GemmStep
{
    public F4 L0, L1, L2, L3, R0, R1;
}

/// <summary>The sums of one thread: eight rows of eight, as named fields because only these stay in registers.</summary>
internal struct GemmSums
{
    public F4 A0, B0, A1, B1, A2, B2, A3, B3, A4, B4, A5, B5, A6, B6, A7, B7;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(F4 low, F4 high, F4 a, F4 b)
    {
        Add(ref A0, low.X, a);
        Add(ref B0, low.X, b);
        Add(ref A1, low.Y, a);
        Add(ref B1, low.Y, b);
        Add(ref A2, low.Z, a);
        Add(ref B2, low.Z, b);
        Add(ref A3, low.W, a);
        Add(ref B3, low.W, b);
        Add(ref A4, high.X, a);
        Add(ref B4, high.X, b);
        Add(ref A5, high.Y, a);
        Add(ref B5, high.Y, b);
        Add(ref A6, high.Z, a);
        Add(ref B6, high.Z, b);
        Add(ref A7, high.W, a);
        Add(ref B7, high.W, b);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(ref F4 sums, float a, F4 b)
    {
        sums.X = a * b.X + sums.X;
        sums.Y = a * b.Y + sums.Y;
        sums.Z = a * b.Z + sums.Z;
        sums.W = a * b.W + sums.W;
    }
}
