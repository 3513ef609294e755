using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>
/// C (+/-)= A^T B of row-major float64 matrices, for what is no network: covariances and their square roots. Every element sums its steps in
/// blocks in ascending order, so its bits depend neither on threads nor on how the steps are shared out among calls that begin at a
/// multiple of <see cref="StepBlock"/>.
/// </summary>
internal static unsafe class DoubleProduct
{
    /// <summary>Steps that are summed in registers before they are added to C.</summary>
    public const int StepBlock = 256;

    // Columns of a panel, and of a tile of C, which is half as high; a block is what one thread does at a time.
    private const int Block = 256, TileRows = 8, Width = 16;

    /// <summary>
    /// C[i, j] += sign * sum over s of A[s, i] B[s, j] for i below <paramref name="rows"/> and j below <paramref name="columns"/>.
    /// </summary>
    /// <param name="a">[steps, at least rows], row s at a + s * aRow.</param>
    /// <param name="aRow">Distance of A's rows.</param>
    /// <param name="b">[steps, at least columns].</param>
    /// <param name="bRow">Distance of B's rows.</param>
    /// <param name="steps">Terms of each sum.</param>
    /// <param name="c">[rows, at least columns].</param>
    /// <param name="cRow">Distance of C's rows.</param>
    /// <param name="rows">Rows of C.</param>
    /// <param name="columns">Columns of C.</param>
    /// <param name="sign">1 or -1.</param>
    /// <param name="lower">Leaves out tiles of C that lie wholly above the diagonal.</param>
    /// <param name="threads">Threads, at least 1.</param>
    public static void AddTransposed(
        double* a, nint aRow, double* b, nint bRow, int steps, double* c, nint cRow, int rows, int columns, double sign, bool lower, int threads)
    {
        if (rows == 0 || columns == 0 || steps == 0) return;
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = threads };
        bool same = a == b && aRow == bRow && rows == columns;
        int most = Math.Min(StepBlock, steps), blocks = MatrixProduct.Blocks(columns, Block), items = MatrixProduct.Blocks(rows, Block) * blocks;
        nint length = MatrixProduct.RoundUp(rows, Width) * (nint)(most + 1), other = same ? 0 : MatrixProduct.RoundUp(columns, Width) * (nint)(most + 1);
        double* packed = (double*)NativeMemory.AlignedAlloc((nuint)(length + other) * sizeof(double), 64);
        try
        {
            for (int s = 0; s < steps; s += StepBlock)
            {
                int count = Math.Min(StepBlock, steps - s);
                double* left = packed, right = same ? packed : packed + length, x = a + s * aRow, y = b + s * bRow;
                Pack(x, aRow, rows, count, left, parallel);
                if (!same) Pack(y, bRow, columns, count, right, parallel);
                Parallel.For(0, items, parallel, item =>
                {
                    int i = item / blocks * Block, j = item % blocks * Block;
                    if (lower && j >= i + Block) return;
                    nint apart = count + 1;
                    var part = new Part(left + i * apart, Math.Min(Block, rows - i), right + j * apart, Math.Min(Block, columns - j), count, c + i * cRow + j, cRow, sign);
                    if (Avx512F.IsSupported) part.Run<Doubles512>();
                    else part.Run<Doubles256>();
                });
            }
        }
        finally
        {
            NativeMemory.AlignedFree(packed);
        }
    }

    /// <summary>
    /// Panels of as many columns as a tile has, step by step, zero beyond the last one. Panels are one step apart: powers of two as distances would meet in few sets of a cache.
    /// </summary>
    private static void Pack(double* source, nint stride, int columns, int steps, double* packed, ParallelOptions parallel) =>
        Parallel.For(0, MatrixProduct.Blocks(columns, Block), parallel, block =>
        {
            int start = block * Block, end = Math.Min(columns, start + Block);
            if (Avx512F.IsSupported) Pack<Doubles512>(source, stride, start, end, steps, packed);
            else Pack<Doubles256>(source, stride, start, end, steps, packed);
        });

    private static void Pack<V>(double* source, nint stride, int start, int end, int steps, double* packed)
        where V : unmanaged, IDoubleLanes<V>
    {
        for (nint s = 0; s < steps; s++)
        {
            double* row = source + s * stride;
            for (int j = start; j < end; j += Width)
            {
                double* to = packed + j * (nint)(steps + 1) + s * Width;
                if (j + Width <= end)
                    for (int l = 0; l < Width; l += V.Count) V.Store(to + l, V.Load(row + j + l));
                else
                    for (int l = 0; l < Width; l++) to[l] = j + l < end ? row[j + l] : 0;
            }
        }
    }

    /// <summary>Sum of a[i] b[i].</summary>
    public static double Dot(double* a, double* b, int length) => Avx512F.IsSupported ? Dot<Doubles512>(a, b, length) : Dot<Doubles256>(a, b, length);

    /// <summary>Sum of (a[i] - b[i])^2, differences and sums in double.</summary>
    public static double SquaredDistance(float* a, float* b, int length) =>
        Avx512F.IsSupported ? SquaredDistance<Doubles512>(a, b, length) : SquaredDistance<Doubles256>(a, b, length);

    /// <summary>Returns the sum of a[i] x[i], and y[i] += factor * a[i]: a row of a symmetric matrix serves both of its triangles.</summary>
    public static double DotAndAddScaled(double* a, double* x, double factor, double* y, int length) =>
        Avx512F.IsSupported ? DotAndAddScaled<Doubles512>(a, x, factor, y, length) : DotAndAddScaled<Doubles256>(a, x, factor, y, length);

    /// <summary>y[i] += factor * x[i].</summary>
    public static void AddScaled(double factor, double* x, double* y, int length)
    {
        if (Avx512F.IsSupported) AddScaled<Doubles512>(factor, x, y, length);
        else AddScaled<Doubles256>(factor, x, y, length);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double Dot<V>(double* a, double* b, int length)
        where V : unmanaged, IDoubleLanes<V>
    {
        V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
        int i = 0;
        for (; i <= length - 4 * V.Count; i += 4 * V.Count)
        {
            s0 = V.MultiplyAdd(V.Load(a + i), V.Load(b + i), s0);
            s1 = V.MultiplyAdd(V.Load(a + i + V.Count), V.Load(b + i + V.Count), s1);
            s2 = V.MultiplyAdd(V.Load(a + i + 2 * V.Count), V.Load(b + i + 2 * V.Count), s2);
            s3 = V.MultiplyAdd(V.Load(a + i + 3 * V.Count), V.Load(b + i + 3 * V.Count), s3);
        }
        double sum = V.Sum(s0 + s1 + (s2 + s3));
        for (; i < length; i++) sum += a[i] * b[i];
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double DotAndAddScaled<V>(double* a, double* x, double factor, double* y, int length)
        where V : unmanaged, IDoubleLanes<V>
    {
        V s0 = V.Zero, s1 = V.Zero, lanes = V.Broadcast(factor);
        int i = 0;
        for (; i <= length - 2 * V.Count; i += 2 * V.Count)
        {
            V a0 = V.Load(a + i), a1 = V.Load(a + i + V.Count);
            s0 = V.MultiplyAdd(a0, V.Load(x + i), s0);
            s1 = V.MultiplyAdd(a1, V.Load(x + i + V.Count), s1);
            V.Store(y + i, V.MultiplyAdd(lanes, a0, V.Load(y + i)));
            V.Store(y + i + V.Count, V.MultiplyAdd(lanes, a1, V.Load(y + i + V.Count)));
        }
        double sum = V.Sum(s0 + s1);
        for (; i < length; i++)
        {
            sum += a[i] * x[i];
            y[i] += factor * a[i];
        }
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SquaredDistance<V>(float* a, float* b, int length)
        where V : unmanaged, IDoubleLanes<V>
    {
        V s0 = V.Zero, s1 = V.Zero;
        int i = 0;
        for (; i <= length - 2 * V.Count; i += 2 * V.Count)
        {
            V d0 = V.Widen(a + i) - V.Widen(b + i), d1 = V.Widen(a + i + V.Count) - V.Widen(b + i + V.Count);
            s0 = V.MultiplyAdd(d0, d0, s0);
            s1 = V.MultiplyAdd(d1, d1, s1);
        }
        double sum = V.Sum(s0 + s1);
        for (; i < length; i++) sum += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddScaled<V>(double factor, double* x, double* y, int length)
        where V : unmanaged, IDoubleLanes<V>
    {
        V lanes = V.Broadcast(factor);
        int i = 0;
        for (; i <= length - V.Count; i += V.Count) V.Store(y + i, V.MultiplyAdd(lanes, V.Load(x + i), V.Load(y + i)));
        for (; i < length; i++) y[i] += factor * x[i];
    }

    /// <summary>A block of C from panels.</summary>
    private readonly struct Part(double* left, int rows, double* right, int columns, int steps, double* c, nint cRow, double sign)
    {
        public void Run<V>()
            where V : unmanaged, IDoubleLanes<V>
        {
            double* sums = stackalloc double[TileRows * Width];
            nint apart = steps + 1;
            for (int j = 0; j < columns; j += Width)
                for (int i = 0; i < rows; i += TileRows)
                {
                    // A panel has the rows of two tiles.
                    Tile<V>(left + i / Width * Width * apart + i % Width, right + j * apart, steps, sums);
                    Add<V>(sums, c + i * cRow + j, Math.Min(TileRows, rows - i), Math.Min(Width, columns - j));
                }
        }

        private void Add<V>(double* sums, double* target, int tileRows, int tileColumns)
            where V : unmanaged, IDoubleLanes<V>
        {
            V lanes = V.Broadcast(sign);
            for (int i = 0; i < tileRows; i++, target += cRow, sums += Width)
            {
                int j = 0;
                for (; j <= tileColumns - V.Count; j += V.Count) V.Store(target + j, V.MultiplyAdd(lanes, V.Load(sums + j), V.Load(target + j)));
                for (; j < tileColumns; j++) target[j] += sign * sums[j];
            }
        }
    }

    // Sixteen accumulators where there are as many registers to spare, else eight.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Tile<V>(double* a, double* b, int steps, double* sums)
        where V : unmanaged, IDoubleLanes<V>
    {
        bool two = V.Count == 8;
        for (int j = 0; j < Width; j += two ? 2 * V.Count : V.Count)
        {
            double* left = a, right = b + j;
            V c00 = V.Zero, c10 = V.Zero, c20 = V.Zero, c30 = V.Zero, c40 = V.Zero, c50 = V.Zero, c60 = V.Zero, c70 = V.Zero;
            V c01 = V.Zero, c11 = V.Zero, c21 = V.Zero, c31 = V.Zero, c41 = V.Zero, c51 = V.Zero, c61 = V.Zero, c71 = V.Zero;
            for (int s = 0; s < steps; s++, left += Width, right += Width)
            {
                V b0 = V.Load(right), b1 = V.Count == 8 ? V.Load(right + V.Count) : b0;
                Step(left[0], b0, b1, ref c00, ref c01);
                Step(left[1], b0, b1, ref c10, ref c11);
                Step(left[2], b0, b1, ref c20, ref c21);
                Step(left[3], b0, b1, ref c30, ref c31);
                Step(left[4], b0, b1, ref c40, ref c41);
                Step(left[5], b0, b1, ref c50, ref c51);
                Step(left[6], b0, b1, ref c60, ref c61);
                Step(left[7], b0, b1, ref c70, ref c71);
            }
            double* to = sums + j;
            Write(ref to, c00, c01);
            Write(ref to, c10, c11);
            Write(ref to, c20, c21);
            Write(ref to, c30, c31);
            Write(ref to, c40, c41);
            Write(ref to, c50, c51);
            Write(ref to, c60, c61);
            Write(ref to, c70, c71);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Step<V>(double a, V b0, V b1, ref V c0, ref V c1)
        where V : unmanaged, IDoubleLanes<V>
    {
        V lanes = V.Broadcast(a);
        c0 = V.MultiplyAdd(lanes, b0, c0);
        if (V.Count == 8) c1 = V.MultiplyAdd(lanes, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<V>(ref double* to, V c0, V c1)
        where V : unmanaged, IDoubleLanes<V>
    {
        V.Store(to, c0);
        if (V.Count == 8) V.Store(to + V.Count, c1);
        to += Width;
    }
}
