using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

// The tiles for a panel of at most one vector of output channels, twice as high as the others: half of a panel of two vectors would be zeros.
public sealed unsafe partial class CpuKernels
{
    /// <summary>Columns of the panel that begins at an output channel: two vectors, or one where that is enough.</summary>
    private static int PanelWidth(int lanes, int channel, int channels) => channels - channel <= lanes ? lanes : 2 * lanes;

    /// <summary>Panels of output channels.</summary>
    private static int PanelCount(int lanes, int channels) => (channels + 2 * lanes - 1) / (2 * lanes);

    /// <summary>Rows of the register tile for panels of a width.</summary>
    private static int PanelRows<V>(int panel)
        where V : unmanaged, ILanes<V> => panel == V.Count ? 2 * TileRows<V>() : TileRows<V>();

    /// <summary>As <see cref="InnerTile{V}"/> from zero, with <see cref="PanelRows{V}"/> rows for panels of one or two vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void PanelTile<V>(int panel, float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums)
        where V : unmanaged, ILanes<V>
    {
        if (panel != V.Count) InnerTile<V>(rows, offsets, segmentStride, segments, length, b, sums, first: true);
        else if (V.Count == 16) NarrowTile16<V>(rows, offsets, segmentStride, segments, length, b, sums);
        else NarrowTile12<V>(rows, offsets, segmentStride, segments, length, b, sums);
    }

    /// <summary>Sixteen rows, for 32 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowTile16<V>(float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums)
        where V : unmanaged, ILanes<V>
    {
        float* a0 = rows + offsets[0], a1 = rows + offsets[1], a2 = rows + offsets[2], a3 = rows + offsets[3];
        float* a4 = rows + offsets[4], a5 = rows + offsets[5], a6 = rows + offsets[6], a7 = rows + offsets[7];
        float* a8 = rows + offsets[8], a9 = rows + offsets[9], a10 = rows + offsets[10], a11 = rows + offsets[11];
        float* a12 = rows + offsets[12], a13 = rows + offsets[13], a14 = rows + offsets[14], a15 = rows + offsets[15];
        V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
        V s4 = V.Zero, s5 = V.Zero, s6 = V.Zero, s7 = V.Zero;
        V s8 = V.Zero, s9 = V.Zero, s10 = V.Zero, s11 = V.Zero;
        V s12 = V.Zero, s13 = V.Zero, s14 = V.Zero, s15 = V.Zero;
        for (nint segment = 0; segment < segments; segment++)
        {
            for (nint k = 0; k < length; k++)
            {
                V w = V.Load(b);
                b += V.Count;
                s0 = V.MultiplyAdd(V.Broadcast(a0[k]), w, s0);
                s1 = V.MultiplyAdd(V.Broadcast(a1[k]), w, s1);
                s2 = V.MultiplyAdd(V.Broadcast(a2[k]), w, s2);
                s3 = V.MultiplyAdd(V.Broadcast(a3[k]), w, s3);
                s4 = V.MultiplyAdd(V.Broadcast(a4[k]), w, s4);
                s5 = V.MultiplyAdd(V.Broadcast(a5[k]), w, s5);
                s6 = V.MultiplyAdd(V.Broadcast(a6[k]), w, s6);
                s7 = V.MultiplyAdd(V.Broadcast(a7[k]), w, s7);
                s8 = V.MultiplyAdd(V.Broadcast(a8[k]), w, s8);
                s9 = V.MultiplyAdd(V.Broadcast(a9[k]), w, s9);
                s10 = V.MultiplyAdd(V.Broadcast(a10[k]), w, s10);
                s11 = V.MultiplyAdd(V.Broadcast(a11[k]), w, s11);
                s12 = V.MultiplyAdd(V.Broadcast(a12[k]), w, s12);
                s13 = V.MultiplyAdd(V.Broadcast(a13[k]), w, s13);
                s14 = V.MultiplyAdd(V.Broadcast(a14[k]), w, s14);
                s15 = V.MultiplyAdd(V.Broadcast(a15[k]), w, s15);
            }
            a0 += segmentStride;
            a1 += segmentStride;
            a2 += segmentStride;
            a3 += segmentStride;
            a4 += segmentStride;
            a5 += segmentStride;
            a6 += segmentStride;
            a7 += segmentStride;
            a8 += segmentStride;
            a9 += segmentStride;
            a10 += segmentStride;
            a11 += segmentStride;
            a12 += segmentStride;
            a13 += segmentStride;
            a14 += segmentStride;
            a15 += segmentStride;
        }
        V.Store(sums + 0 * V.Count, s0);
        V.Store(sums + 1 * V.Count, s1);
        V.Store(sums + 2 * V.Count, s2);
        V.Store(sums + 3 * V.Count, s3);
        V.Store(sums + 4 * V.Count, s4);
        V.Store(sums + 5 * V.Count, s5);
        V.Store(sums + 6 * V.Count, s6);
        V.Store(sums + 7 * V.Count, s7);
        V.Store(sums + 8 * V.Count, s8);
        V.Store(sums + 9 * V.Count, s9);
        V.Store(sums + 10 * V.Count, s10);
        V.Store(sums + 11 * V.Count, s11);
        V.Store(sums + 12 * V.Count, s12);
        V.Store(sums + 13 * V.Count, s13);
        V.Store(sums + 14 * V.Count, s14);
        V.Store(sums + 15 * V.Count, s15);
    }

    /// <summary>Twelve rows, for 16 registers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void NarrowTile12<V>(float* rows, nint* offsets, nint segmentStride, nint segments, nint length, float* b, float* sums)
        where V : unmanaged, ILanes<V>
    {
        float* a0 = rows + offsets[0], a1 = rows + offsets[1], a2 = rows + offsets[2], a3 = rows + offsets[3];
        float* a4 = rows + offsets[4], a5 = rows + offsets[5], a6 = rows + offsets[6], a7 = rows + offsets[7];
        float* a8 = rows + offsets[8], a9 = rows + offsets[9], a10 = rows + offsets[10], a11 = rows + offsets[11];
        V s0 = V.Zero, s1 = V.Zero, s2 = V.Zero, s3 = V.Zero;
        V s4 = V.Zero, s5 = V.Zero, s6 = V.Zero, s7 = V.Zero;
        V s8 = V.Zero, s9 = V.Zero, s10 = V.Zero, s11 = V.Zero;
        for (nint segment = 0; segment < segments; segment++)
        {
            for (nint k = 0; k < length; k++)
            {
                V w = V.Load(b);
                b += V.Count;
                s0 = V.MultiplyAdd(V.Broadcast(a0[k]), w, s0);
                s1 = V.MultiplyAdd(V.Broadcast(a1[k]), w, s1);
                s2 = V.MultiplyAdd(V.Broadcast(a2[k]), w, s2);
                s3 = V.MultiplyAdd(V.Broadcast(a3[k]), w, s3);
                s4 = V.MultiplyAdd(V.Broadcast(a4[k]), w, s4);
                s5 = V.MultiplyAdd(V.Broadcast(a5[k]), w, s5);
                s6 = V.MultiplyAdd(V.Broadcast(a6[k]), w, s6);
                s7 = V.MultiplyAdd(V.Broadcast(a7[k]), w, s7);
                s8 = V.MultiplyAdd(V.Broadcast(a8[k]), w, s8);
                s9 = V.MultiplyAdd(V.Broadcast(a9[k]), w, s9);
                s10 = V.MultiplyAdd(V.Broadcast(a10[k]), w, s10);
                s11 = V.MultiplyAdd(V.Broadcast(a11[k]), w, s11);
            }
            a0 += segmentStride;
            a1 += segmentStride;
            a2 += segmentStride;
            a3 += segmentStride;
            a4 += segmentStride;
            a5 += segmentStride;
            a6 += segmentStride;
            a7 += segmentStride;
            a8 += segmentStride;
            a9 += segmentStride;
            a10 += segmentStride;
            a11 += segmentStride;
        }
        V.Store(sums + 0 * V.Count, s0);
        V.Store(sums + 1 * V.Count, s1);
        V.Store(sums + 2 * V.Count, s2);
        V.Store(sums + 3 * V.Count, s3);
        V.Store(sums + 4 * V.Count, s4);
        V.Store(sums + 5 * V.Count, s5);
        V.Store(sums + 6 * V.Count, s6);
        V.Store(sums + 7 * V.Count, s7);
        V.Store(sums + 8 * V.Count, s8);
        V.Store(sums + 9 * V.Count, s9);
        V.Store(sums + 10 * V.Count, s10);
        V.Store(sums + 11 * V.Count, s11);
    }
}
