using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

// The register tiles that every convolution algorithm ends in: 8 rows by 2 vectors fill 32 registers, 6 by 2 fill 16. Accumulators are named
// locals because the compiler keeps only those in registers.
public sealed unsafe partial class CpuKernels
{
    // Weights are read once, in order, and often from beyond the second-level cache.
    private const int PrefetchFloats = 1024;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Prefetch(float* address)
    {
        if (Sse.IsSupported) Sse.Prefetch0(address);
    }

    /// <summary>Rows of the register tile.</summary>
    private static int TileRows<V>()
        where V : unmanaged, ILanes<V> => V.Count == 16 ? 8 : 6;

    /// <summary>
    /// sums[p][j] (+)= sum over segments s and k below length of rows[offsets[p] + s segmentStride + k] b[s length + k][j], for <see cref="TileRows{V}"/>
    /// rows and 2 vectors of columns; starts from zero if <paramref name="first"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void InnerTile<V>(float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums, bool first)
        where V : unmanaged, ILanes<V>
    {
        if (V.Count == 16) InnerTile8<V>(rows, offsets, segmentStride, segments, length, b, sums, first);
        else InnerTile6<V>(rows, offsets, segmentStride, segments, length, b, sums, first);
    }

    /// <summary>
    /// sums[p][j] (+)= sum over rows r and columns q of d[r dRowStep + q dStep + p] x[r xRowStep + q xStep + j], for <see cref="TileRows{V}"/>
    /// values of p and 2 vectors of j; starts from zero if <paramref name="first"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void OuterTile<V>(
        float* x, nint xStep, nint xRowStep, float* d, nint dStep, nint dRowStep, nint rows, nint columns, float* sums, nint stride, bool first)
        where V : unmanaged, ILanes<V>
    {
        if (V.Count == 16) OuterTile8<V>(x, xStep, xRowStep, d, dStep, dRowStep, rows, columns, sums, stride, first);
        else OuterTile6<V>(x, xStep, xRowStep, d, dStep, dRowStep, rows, columns, sums, stride, first);
    }

    /// <summary>Eight rows, for 32 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void InnerTile8<V>(float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums, bool first)
        where V : unmanaged, ILanes<V>
    {
        float* a0 = rows + offsets[0], a1 = rows + offsets[1], a2 = rows + offsets[2], a3 = rows + offsets[3], a4 = rows + offsets[4], a5 = rows + offsets[5], a6 = rows + offsets[6], a7 = rows + offsets[7];
        V s00 = V.Zero, s01 = V.Zero;
        V s10 = V.Zero, s11 = V.Zero;
        V s20 = V.Zero, s21 = V.Zero;
        V s30 = V.Zero, s31 = V.Zero;
        V s40 = V.Zero, s41 = V.Zero;
        V s50 = V.Zero, s51 = V.Zero;
        V s60 = V.Zero, s61 = V.Zero;
        V s70 = V.Zero, s71 = V.Zero;
        if (!first)
        {
            s00 = V.Load(sums + 0 * V.Count);
            s01 = V.Load(sums + 1 * V.Count);
            s10 = V.Load(sums + 2 * V.Count);
            s11 = V.Load(sums + 3 * V.Count);
            s20 = V.Load(sums + 4 * V.Count);
            s21 = V.Load(sums + 5 * V.Count);
            s30 = V.Load(sums + 6 * V.Count);
            s31 = V.Load(sums + 7 * V.Count);
            s40 = V.Load(sums + 8 * V.Count);
            s41 = V.Load(sums + 9 * V.Count);
            s50 = V.Load(sums + 10 * V.Count);
            s51 = V.Load(sums + 11 * V.Count);
            s60 = V.Load(sums + 12 * V.Count);
            s61 = V.Load(sums + 13 * V.Count);
            s70 = V.Load(sums + 14 * V.Count);
            s71 = V.Load(sums + 15 * V.Count);
        }
        for (nint segment = 0; segment < segments; segment++)
        {
            for (nint k = 0; k < length; k++)
            {
                V b0 = V.Load(b), b1 = V.Load(b + V.Count);
                Prefetch(b + PrefetchFloats);
                Prefetch(b + PrefetchFloats + V.Count);
                b += 2 * V.Count;
                V x = V.Broadcast(a0[k]);
                s00 = V.MultiplyAdd(x, b0, s00);
                s01 = V.MultiplyAdd(x, b1, s01);
                x = V.Broadcast(a1[k]);
                s10 = V.MultiplyAdd(x, b0, s10);
                s11 = V.MultiplyAdd(x, b1, s11);
                x = V.Broadcast(a2[k]);
                s20 = V.MultiplyAdd(x, b0, s20);
                s21 = V.MultiplyAdd(x, b1, s21);
                x = V.Broadcast(a3[k]);
                s30 = V.MultiplyAdd(x, b0, s30);
                s31 = V.MultiplyAdd(x, b1, s31);
                x = V.Broadcast(a4[k]);
                s40 = V.MultiplyAdd(x, b0, s40);
                s41 = V.MultiplyAdd(x, b1, s41);
                x = V.Broadcast(a5[k]);
                s50 = V.MultiplyAdd(x, b0, s50);
                s51 = V.MultiplyAdd(x, b1, s51);
                x = V.Broadcast(a6[k]);
                s60 = V.MultiplyAdd(x, b0, s60);
                s61 = V.MultiplyAdd(x, b1, s61);
                x = V.Broadcast(a7[k]);
                s70 = V.MultiplyAdd(x, b0, s70);
                s71 = V.MultiplyAdd(x, b1, s71);
            }
            a0 += segmentStride;
            a1 += segmentStride;
            a2 += segmentStride;
            a3 += segmentStride;
            a4 += segmentStride;
            a5 += segmentStride;
            a6 += segmentStride;
            a7 += segmentStride;
        }
        V.Store(sums + 0 * V.Count, s00);
        V.Store(sums + 1 * V.Count, s01);
        V.Store(sums + 2 * V.Count, s10);
        V.Store(sums + 3 * V.Count, s11);
        V.Store(sums + 4 * V.Count, s20);
        V.Store(sums + 5 * V.Count, s21);
        V.Store(sums + 6 * V.Count, s30);
        V.Store(sums + 7 * V.Count, s31);
        V.Store(sums + 8 * V.Count, s40);
        V.Store(sums + 9 * V.Count, s41);
        V.Store(sums + 10 * V.Count, s50);
        V.Store(sums + 11 * V.Count, s51);
        V.Store(sums + 12 * V.Count, s60);
        V.Store(sums + 13 * V.Count, s61);
        V.Store(sums + 14 * V.Count, s70);
        V.Store(sums + 15 * V.Count, s71);
    }

    /// <summary>Six rows, for 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void InnerTile6<V>(float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums, bool first)
        where V : unmanaged, ILanes<V>
    {
        float* a0 = rows + offsets[0], a1 = rows + offsets[1], a2 = rows + offsets[2], a3 = rows + offsets[3], a4 = rows + offsets[4], a5 = rows + offsets[5];
        V s00 = V.Zero, s01 = V.Zero;
        V s10 = V.Zero, s11 = V.Zero;
        V s20 = V.Zero, s21 = V.Zero;
        V s30 = V.Zero, s31 = V.Zero;
        V s40 = V.Zero, s41 = V.Zero;
        V s50 = V.Zero, s51 = V.Zero;
        if (!first)
        {
            s00 = V.Load(sums + 0 * V.Count);
            s01 = V.Load(sums + 1 * V.Count);
            s10 = V.Load(sums + 2 * V.Count);
            s11 = V.Load(sums + 3 * V.Count);
            s20 = V.Load(sums + 4 * V.Count);
            s21 = V.Load(sums + 5 * V.Count);
            s30 = V.Load(sums + 6 * V.Count);
            s31 = V.Load(sums + 7 * V.Count);
            s40 = V.Load(sums + 8 * V.Count);
            s41 = V.Load(sums + 9 * V.Count);
            s50 = V.Load(sums + 10 * V.Count);
            s51 = V.Load(sums + 11 * V.Count);
        }
        for (nint segment = 0; segment < segments; segment++)
        {
            for (nint k = 0; k < length; k++)
            {
                V b0 = V.Load(b), b1 = V.Load(b + V.Count);
                b += 2 * V.Count;
                V x = V.Broadcast(a0[k]);
                s00 = V.MultiplyAdd(x, b0, s00);
                s01 = V.MultiplyAdd(x, b1, s01);
                x = V.Broadcast(a1[k]);
                s10 = V.MultiplyAdd(x, b0, s10);
                s11 = V.MultiplyAdd(x, b1, s11);
                x = V.Broadcast(a2[k]);
                s20 = V.MultiplyAdd(x, b0, s20);
                s21 = V.MultiplyAdd(x, b1, s21);
                x = V.Broadcast(a3[k]);
                s30 = V.MultiplyAdd(x, b0, s30);
                s31 = V.MultiplyAdd(x, b1, s31);
                x = V.Broadcast(a4[k]);
                s40 = V.MultiplyAdd(x, b0, s40);
                s41 = V.MultiplyAdd(x, b1, s41);
                x = V.Broadcast(a5[k]);
                s50 = V.MultiplyAdd(x, b0, s50);
                s51 = V.MultiplyAdd(x, b1, s51);
            }
            a0 += segmentStride;
            a1 += segmentStride;
            a2 += segmentStride;
            a3 += segmentStride;
            a4 += segmentStride;
            a5 += segmentStride;
        }
        V.Store(sums + 0 * V.Count, s00);
        V.Store(sums + 1 * V.Count, s01);
        V.Store(sums + 2 * V.Count, s10);
        V.Store(sums + 3 * V.Count, s11);
        V.Store(sums + 4 * V.Count, s20);
        V.Store(sums + 5 * V.Count, s21);
        V.Store(sums + 6 * V.Count, s30);
        V.Store(sums + 7 * V.Count, s31);
        V.Store(sums + 8 * V.Count, s40);
        V.Store(sums + 9 * V.Count, s41);
        V.Store(sums + 10 * V.Count, s50);
        V.Store(sums + 11 * V.Count, s51);
    }

    /// <summary>Eight values of p, for 32 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OuterTile8<V>(
        float* x, nint xStep, nint xRowStep, float* d, nint dStep, nint dRowStep, nint rows, nint columns, float* sums, nint stride, bool first)
        where V : unmanaged, ILanes<V>
    {
        V s00 = V.Zero, s01 = V.Zero;
        V s10 = V.Zero, s11 = V.Zero;
        V s20 = V.Zero, s21 = V.Zero;
        V s30 = V.Zero, s31 = V.Zero;
        V s40 = V.Zero, s41 = V.Zero;
        V s50 = V.Zero, s51 = V.Zero;
        V s60 = V.Zero, s61 = V.Zero;
        V s70 = V.Zero, s71 = V.Zero;
        if (!first)
        {
            s00 = V.Load(sums + 0 * stride);
            s01 = V.Load(sums + 0 * stride + V.Count);
            s10 = V.Load(sums + 1 * stride);
            s11 = V.Load(sums + 1 * stride + V.Count);
            s20 = V.Load(sums + 2 * stride);
            s21 = V.Load(sums + 2 * stride + V.Count);
            s30 = V.Load(sums + 3 * stride);
            s31 = V.Load(sums + 3 * stride + V.Count);
            s40 = V.Load(sums + 4 * stride);
            s41 = V.Load(sums + 4 * stride + V.Count);
            s50 = V.Load(sums + 5 * stride);
            s51 = V.Load(sums + 5 * stride + V.Count);
            s60 = V.Load(sums + 6 * stride);
            s61 = V.Load(sums + 6 * stride + V.Count);
            s70 = V.Load(sums + 7 * stride);
            s71 = V.Load(sums + 7 * stride + V.Count);
        }
        for (nint row = 0; row < rows; row++)
        {
            float* xp = x, dp = d;
            for (nint column = 0; column < columns; column++)
            {
                V b0 = V.Load(xp), b1 = V.Load(xp + V.Count);
                V y = V.Broadcast(dp[0]);
                s00 = V.MultiplyAdd(y, b0, s00);
                s01 = V.MultiplyAdd(y, b1, s01);
                y = V.Broadcast(dp[1]);
                s10 = V.MultiplyAdd(y, b0, s10);
                s11 = V.MultiplyAdd(y, b1, s11);
                y = V.Broadcast(dp[2]);
                s20 = V.MultiplyAdd(y, b0, s20);
                s21 = V.MultiplyAdd(y, b1, s21);
                y = V.Broadcast(dp[3]);
                s30 = V.MultiplyAdd(y, b0, s30);
                s31 = V.MultiplyAdd(y, b1, s31);
                y = V.Broadcast(dp[4]);
                s40 = V.MultiplyAdd(y, b0, s40);
                s41 = V.MultiplyAdd(y, b1, s41);
                y = V.Broadcast(dp[5]);
                s50 = V.MultiplyAdd(y, b0, s50);
                s51 = V.MultiplyAdd(y, b1, s51);
                y = V.Broadcast(dp[6]);
                s60 = V.MultiplyAdd(y, b0, s60);
                s61 = V.MultiplyAdd(y, b1, s61);
                y = V.Broadcast(dp[7]);
                s70 = V.MultiplyAdd(y, b0, s70);
                s71 = V.MultiplyAdd(y, b1, s71);
                xp += xStep;
                dp += dStep;
            }
            x += xRowStep;
            d += dRowStep;
        }
        V.Store(sums + 0 * stride, s00);
        V.Store(sums + 0 * stride + V.Count, s01);
        V.Store(sums + 1 * stride, s10);
        V.Store(sums + 1 * stride + V.Count, s11);
        V.Store(sums + 2 * stride, s20);
        V.Store(sums + 2 * stride + V.Count, s21);
        V.Store(sums + 3 * stride, s30);
        V.Store(sums + 3 * stride + V.Count, s31);
        V.Store(sums + 4 * stride, s40);
        V.Store(sums + 4 * stride + V.Count, s41);
        V.Store(sums + 5 * stride, s50);
        V.Store(sums + 5 * stride + V.Count, s51);
        V.Store(sums + 6 * stride, s60);
        V.Store(sums + 6 * stride + V.Count, s61);
        V.Store(sums + 7 * stride, s70);
        V.Store(sums + 7 * stride + V.Count, s71);
    }

    /// <summary>Six values of p, for 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OuterTile6<V>(
        float* x, nint xStep, nint xRowStep, float* d, nint dStep, nint dRowStep, nint rows, nint columns, float* sums, nint stride, bool first)
        where V : unmanaged, ILanes<V>
    {
        V s00 = V.Zero, s01 = V.Zero;
        V s10 = V.Zero, s11 = V.Zero;
        V s20 = V.Zero, s21 = V.Zero;
        V s30 = V.Zero, s31 = V.Zero;
        V s40 = V.Zero, s41 = V.Zero;
        V s50 = V.Zero, s51 = V.Zero;
        if (!first)
        {
            s00 = V.Load(sums + 0 * stride);
            s01 = V.Load(sums + 0 * stride + V.Count);
            s10 = V.Load(sums + 1 * stride);
            s11 = V.Load(sums + 1 * stride + V.Count);
            s20 = V.Load(sums + 2 * stride);
            s21 = V.Load(sums + 2 * stride + V.Count);
            s30 = V.Load(sums + 3 * stride);
            s31 = V.Load(sums + 3 * stride + V.Count);
            s40 = V.Load(sums + 4 * stride);
            s41 = V.Load(sums + 4 * stride + V.Count);
            s50 = V.Load(sums + 5 * stride);
            s51 = V.Load(sums + 5 * stride + V.Count);
        }
        for (nint row = 0; row < rows; row++)
        {
            float* xp = x, dp = d;
            for (nint column = 0; column < columns; column++)
            {
                V b0 = V.Load(xp), b1 = V.Load(xp + V.Count);
                V y = V.Broadcast(dp[0]);
                s00 = V.MultiplyAdd(y, b0, s00);
                s01 = V.MultiplyAdd(y, b1, s01);
                y = V.Broadcast(dp[1]);
                s10 = V.MultiplyAdd(y, b0, s10);
                s11 = V.MultiplyAdd(y, b1, s11);
                y = V.Broadcast(dp[2]);
                s20 = V.MultiplyAdd(y, b0, s20);
                s21 = V.MultiplyAdd(y, b1, s21);
                y = V.Broadcast(dp[3]);
                s30 = V.MultiplyAdd(y, b0, s30);
                s31 = V.MultiplyAdd(y, b1, s31);
                y = V.Broadcast(dp[4]);
                s40 = V.MultiplyAdd(y, b0, s40);
                s41 = V.MultiplyAdd(y, b1, s41);
                y = V.Broadcast(dp[5]);
                s50 = V.MultiplyAdd(y, b0, s50);
                s51 = V.MultiplyAdd(y, b1, s51);
                xp += xStep;
                dp += dStep;
            }
            x += xRowStep;
            d += dRowStep;
        }
        V.Store(sums + 0 * stride, s00);
        V.Store(sums + 0 * stride + V.Count, s01);
        V.Store(sums + 1 * stride, s10);
        V.Store(sums + 1 * stride + V.Count, s11);
        V.Store(sums + 2 * stride, s20);
        V.Store(sums + 2 * stride + V.Count, s21);
        V.Store(sums + 3 * stride, s30);
        V.Store(sums + 3 * stride + V.Count, s31);
        V.Store(sums + 4 * stride, s40);
        V.Store(sums + 4 * stride + V.Count, s41);
        V.Store(sums + 5 * stride, s50);
        V.Store(sums + 5 * stride + V.Count, s51);
    }

    /// <summary>
    /// sums[p] = sum over segments s and k below length, a multiple of the vector, of rows[offsets[p] + s segmentStride + k] b[s length + k], for 8
    /// rows: the tile for a single column.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void DotTile<V>(float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums)
        where V : unmanaged, ILanes<V>
    {
        float* a0 = rows + offsets[0], a1 = rows + offsets[1], a2 = rows + offsets[2], a3 = rows + offsets[3], a4 = rows + offsets[4], a5 = rows + offsets[5], a6 = rows + offsets[6], a7 = rows + offsets[7];
        V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero, s4 = V.Zero, s5 = V.Zero, s6 = V.Zero, s7 = V.Zero;
        for (nint segment = 0; segment < segments; segment++)
        {
            for (nint k = 0; k < length; k += V.Count)
            {
                V w = V.Load(b);
                b += V.Count;
                s0 = V.MultiplyAdd(V.Load(a0 + k), w, s0);
                s1 = V.MultiplyAdd(V.Load(a1 + k), w, s1);
                s2 = V.MultiplyAdd(V.Load(a2 + k), w, s2);
                s3 = V.MultiplyAdd(V.Load(a3 + k), w, s3);
                s4 = V.MultiplyAdd(V.Load(a4 + k), w, s4);
                s5 = V.MultiplyAdd(V.Load(a5 + k), w, s5);
                s6 = V.MultiplyAdd(V.Load(a6 + k), w, s6);
                s7 = V.MultiplyAdd(V.Load(a7 + k), w, s7);
            }
            a0 += segmentStride;
            a1 += segmentStride;
            a2 += segmentStride;
            a3 += segmentStride;
            a4 += segmentStride;
            a5 += segmentStride;
            a6 += segmentStride;
            a7 += segmentStride;
        }
        sums[0] = V.Sum(s0);
        sums[1] = V.Sum(s1);
        sums[2] = V.Sum(s2);
        sums[3] = V.Sum(s3);
        sums[4] = V.Sum(s4);
        sums[5] = V.Sum(s5);
        sums[6] = V.Sum(s6);
        sums[7] = V.Sum(s7);
    }
}
