using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The transforms of Winograd's F(4x4, 3x3): Y = A^T [(G g G^T) * (B^T d B)] A with the interpolation points 0, 5/8, -5/8, 3/2, -3/2 and infinity
/// (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, after Toom and Cook). These points keep the error at a few 1e-6 of
/// the largest output, a third of what 0, 1, -1, 2, -2 give. Matrix rows stand in the order of the points.
/// </summary>
internal static unsafe class Winograd
{
    public const int Planes = 36;

    private const float P = 0.625f, Q = 1.5f, P2 = P * P, Q2 = Q * Q;
    private const float Scale0 = (float)(1.0 / (0.625 * 0.625 * 2.25));
    private const float ScaleP = (float)(1.0 / (2 * 0.625 * 0.625 * (0.625 * 0.625 - 2.25)));
    private const float ScaleQ = (float)(1.0 / (2 * 2.25 * (2.25 - 0.625 * 0.625)));

    /// <summary>r = B^T d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Input<V>(V d0, V d1, V d2, V d3, V d4, V d5, out V r0, out V r1, out V r2, out V r3, out V r4, out V r5)
        where V : unmanaged, ILanes<V>
    {
        V evenP = V.MultiplyAdd(V.Broadcast(-Q2), d2, d4), oddP = V.MultiplyAdd(V.Broadcast(-Q2), d1, d3);
        V evenQ = V.MultiplyAdd(V.Broadcast(-P2), d2, d4), oddQ = V.MultiplyAdd(V.Broadcast(-P2), d1, d3);
        // (x^2 - P^2)(x^2 - Q^2) = (x^4 - P^2 x^2) - Q^2 (x^2 - P^2), and x times it.
        r0 = V.MultiplyAdd(V.Broadcast(-Q2), V.MultiplyAdd(V.Broadcast(-P2), d0, d2), evenQ);
        r1 = V.MultiplyAdd(V.Broadcast(P), oddP, evenP);
        r2 = V.MultiplyAdd(V.Broadcast(-P), oddP, evenP);
        r3 = V.MultiplyAdd(V.Broadcast(Q), oddQ, evenQ);
        r4 = V.MultiplyAdd(V.Broadcast(-Q), oddQ, evenQ);
        r5 = V.MultiplyAdd(V.Broadcast(-Q2), oddQ, V.MultiplyAdd(V.Broadcast(-P2), d3, d5));
    }

    /// <summary>r = A^T m.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Output<V>(V m0, V m1, V m2, V m3, V m4, V m5, out V r0, out V r1, out V r2, out V r3)
        where V : unmanaged, ILanes<V>
    {
        V sumP = m1 + m2, differenceP = m1 - m2, sumQ = m3 + m4, differenceQ = m3 - m4;
        r0 = m0 + sumP + sumQ;
        r1 = V.MultiplyAdd(V.Broadcast(Q), differenceQ, V.Broadcast(P) * differenceP);
        r2 = V.MultiplyAdd(V.Broadcast(Q2), sumQ, V.Broadcast(P2) * sumP);
        r3 = V.MultiplyAdd(V.Broadcast(Q2 * Q), differenceQ, V.MultiplyAdd(V.Broadcast(P2 * P), differenceP, m5));
    }

    /// <summary>r = G g.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Weight<V>(V g0, V g1, V g2, out V r0, out V r1, out V r2, out V r3, out V r4, out V r5)
        where V : unmanaged, ILanes<V>
    {
        V evenP = V.MultiplyAdd(V.Broadcast(P2), g2, g0) * V.Broadcast(ScaleP), evenQ = V.MultiplyAdd(V.Broadcast(Q2), g2, g0) * V.Broadcast(ScaleQ);
        r0 = g0 * V.Broadcast(Scale0);
        r1 = V.MultiplyAdd(V.Broadcast(P * ScaleP), g1, evenP);
        r2 = V.MultiplyAdd(V.Broadcast(-P * ScaleP), g1, evenP);
        r3 = V.MultiplyAdd(V.Broadcast(Q * ScaleQ), g1, evenQ);
        r4 = V.MultiplyAdd(V.Broadcast(-Q * ScaleQ), g1, evenQ);
        r5 = g2;
    }

    /// <summary>r = A d.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void OutputGrad<V>(V d0, V d1, V d2, V d3, out V r0, out V r1, out V r2, out V r3, out V r4, out V r5)
        where V : unmanaged, ILanes<V>
    {
        V evenP = V.MultiplyAdd(V.Broadcast(P2), d2, d0), oddP = V.MultiplyAdd(V.Broadcast(P2), d3, d1);
        V evenQ = V.MultiplyAdd(V.Broadcast(Q2), d2, d0), oddQ = V.MultiplyAdd(V.Broadcast(Q2), d3, d1);
        r0 = d0;
        r1 = V.MultiplyAdd(V.Broadcast(P), oddP, evenP);
        r2 = V.MultiplyAdd(V.Broadcast(-P), oddP, evenP);
        r3 = V.MultiplyAdd(V.Broadcast(Q), oddQ, evenQ);
        r4 = V.MultiplyAdd(V.Broadcast(-Q), oddQ, evenQ);
        r5 = d3;
    }

    /// <summary>r = G^T s.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WeightGrad<V>(V s0, V s1, V s2, V s3, V s4, V s5, out V r0, out V r1, out V r2)
        where V : unmanaged, ILanes<V>
    {
        V sumP = (s1 + s2) * V.Broadcast(ScaleP), sumQ = (s3 + s4) * V.Broadcast(ScaleQ);
        r0 = V.MultiplyAdd(V.Broadcast(Scale0), s0, sumP + sumQ);
        r1 = V.MultiplyAdd(V.Broadcast(P * ScaleP), s1 - s2, V.Broadcast(Q * ScaleQ) * (s3 - s4));
        r2 = V.MultiplyAdd(V.Broadcast(P2), sumP, V.MultiplyAdd(V.Broadcast(Q2), sumQ, s5));
    }

    /// <summary>
    /// One tile and one vector of channels: planes[6 i + j] = (B^T d B)[i][j] of the 6x6 pixels at <paramref name="source"/>.
    /// <paramref name="buffer"/> holds 36 vectors.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransformInput<V>(float* source, nint rowStride, nint pixelStride, float* planes, nint planeStride, float* buffer)
        where V : unmanaged, ILanes<V>
    {
        for (nint j = 0; j < 6; j++)
        {
            float* d = source + j * pixelStride, t = buffer + j * V.Count;
            Input(V.Load(d), V.Load(d + rowStride), V.Load(d + 2 * rowStride), V.Load(d + 3 * rowStride), V.Load(d + 4 * rowStride),
                V.Load(d + 5 * rowStride), out V r0, out V r1, out V r2, out V r3, out V r4, out V r5);
            V.Store(t, r0);
            V.Store(t + 6 * V.Count, r1);
            V.Store(t + 12 * V.Count, r2);
            V.Store(t + 18 * V.Count, r3);
            V.Store(t + 24 * V.Count, r4);
            V.Store(t + 30 * V.Count, r5);
        }
        for (nint i = 0; i < 6; i++)
        {
            float* t = buffer + i * 6 * V.Count, p = planes + i * 6 * planeStride;
            Input(V.Load(t), V.Load(t + V.Count), V.Load(t + 2 * V.Count), V.Load(t + 3 * V.Count), V.Load(t + 4 * V.Count), V.Load(t + 5 * V.Count),
                out V r0, out V r1, out V r2, out V r3, out V r4, out V r5);
            V.Store(p, r0);
            V.Store(p + planeStride, r1);
            V.Store(p + 2 * planeStride, r2);
            V.Store(p + 3 * planeStride, r3);
            V.Store(p + 4 * planeStride, r4);
            V.Store(p + 5 * planeStride, r5);
        }
    }

    /// <summary>One tile and one vector of channels: half[6 i + j] = (A^T m)[i][j], 4 by 6, of 36 planes; <paramref name="half"/> holds 24 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransformOutputColumns<V>(float* planes, nint planeStride, float* half)
        where V : unmanaged, ILanes<V>
    {
        for (nint j = 0; j < 6; j++)
        {
            float* m = planes + j * planeStride, t = half + j * V.Count;
            Output(V.Load(m), V.Load(m + 6 * planeStride), V.Load(m + 12 * planeStride), V.Load(m + 18 * planeStride), V.Load(m + 24 * planeStride),
                V.Load(m + 30 * planeStride), out V r0, out V r1, out V r2, out V r3);
            V.Store(t, r0);
            V.Store(t + 6 * V.Count, r1);
            V.Store(t + 12 * V.Count, r2);
            V.Store(t + 18 * V.Count, r3);
        }
    }

    /// <summary>The second half: row <paramref name="i"/> of (A^T m) A, four pixels.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransformOutputRow<V>(float* half, nint i, out V r0, out V r1, out V r2, out V r3)
        where V : unmanaged, ILanes<V>
    {
        float* t = half + i * 6 * V.Count;
        Output(V.Load(t), V.Load(t + V.Count), V.Load(t + 2 * V.Count), V.Load(t + 3 * V.Count), V.Load(t + 4 * V.Count), V.Load(t + 5 * V.Count),
            out r0, out r1, out r2, out r3);
    }

    /// <summary>One vector of output channels: planes[6 i + j] = (G g G^T)[i][j] of nine taps.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransformWeight<V>(float* taps, nint tapStride, float* planes, nint planeStride)
        where V : unmanaged, ILanes<V>
    {
        WeightColumn(taps, tapStride, out V a0, out V b0, out V c0, out V d0, out V e0, out V f0);
        WeightColumn(taps + tapStride, tapStride, out V a1, out V b1, out V c1, out V d1, out V e1, out V f1);
        WeightColumn(taps + 2 * tapStride, tapStride, out V a2, out V b2, out V c2, out V d2, out V e2, out V f2);
        WeightRow(a0, a1, a2, planes, planeStride);
        WeightRow(b0, b1, b2, planes + 6 * planeStride, planeStride);
        WeightRow(c0, c1, c2, planes + 12 * planeStride, planeStride);
        WeightRow(d0, d1, d2, planes + 18 * planeStride, planeStride);
        WeightRow(e0, e1, e2, planes + 24 * planeStride, planeStride);
        WeightRow(f0, f1, f2, planes + 30 * planeStride, planeStride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WeightColumn<V>(float* g, nint tapStride, out V r0, out V r1, out V r2, out V r3, out V r4, out V r5)
        where V : unmanaged, ILanes<V> =>
        Weight(V.Load(g), V.Load(g + 3 * tapStride), V.Load(g + 6 * tapStride), out r0, out r1, out r2, out r3, out r4, out r5);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void WeightRow<V>(V g0, V g1, V g2, float* p, nint planeStride)
        where V : unmanaged, ILanes<V>
    {
        Weight(g0, g1, g2, out V r0, out V r1, out V r2, out V r3, out V r4, out V r5);
        V.Store(p, r0);
        V.Store(p + planeStride, r1);
        V.Store(p + 2 * planeStride, r2);
        V.Store(p + 3 * planeStride, r3);
        V.Store(p + 4 * planeStride, r4);
        V.Store(p + 5 * planeStride, r5);
    }

    /// <summary>One tile and one vector of channels: planes[6 i + j] = (A d A^T)[i][j] of the 4x4 pixels at <paramref name="source"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransformOutputGrad<V>(float* source, nint rowStride, nint pixelStride, float* planes, nint planeStride, float* buffer)
        where V : unmanaged, ILanes<V>
    {
        for (nint j = 0; j < 4; j++)
        {
            float* d = source + j * pixelStride, t = buffer + j * V.Count;
            OutputGrad(V.Load(d), V.Load(d + rowStride), V.Load(d + 2 * rowStride), V.Load(d + 3 * rowStride),
                out V r0, out V r1, out V r2, out V r3, out V r4, out V r5);
            V.Store(t, r0);
            V.Store(t + 4 * V.Count, r1);
            V.Store(t + 8 * V.Count, r2);
            V.Store(t + 12 * V.Count, r3);
            V.Store(t + 16 * V.Count, r4);
            V.Store(t + 20 * V.Count, r5);
        }
        for (nint i = 0; i < 6; i++)
        {
            float* t = buffer + i * 4 * V.Count, p = planes + i * 6 * planeStride;
            OutputGrad(V.Load(t), V.Load(t + V.Count), V.Load(t + 2 * V.Count), V.Load(t + 3 * V.Count),
                out V r0, out V r1, out V r2, out V r3, out V r4, out V r5);
            V.Store(p, r0);
            V.Store(p + planeStride, r1);
            V.Store(p + 2 * planeStride, r2);
            V.Store(p + 3 * planeStride, r3);
            V.Store(p + 4 * planeStride, r4);
            V.Store(p + 5 * planeStride, r5);
        }
    }

    /// <summary>One vector: taps[3 i + j] = (G^T s G)[i][j] of 36 planes; <paramref name="buffer"/> holds 18 vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TransformWeightGrad<V>(float* sums, nint planeStride, float* buffer, float* taps)
        where V : unmanaged, ILanes<V>
    {
        for (nint j = 0; j < 6; j++)
        {
            float* s = sums + j * planeStride, t = buffer + j * V.Count;
            WeightGrad(V.Load(s), V.Load(s + 6 * planeStride), V.Load(s + 12 * planeStride), V.Load(s + 18 * planeStride), V.Load(s + 24 * planeStride),
                V.Load(s + 30 * planeStride), out V r0, out V r1, out V r2);
            V.Store(t, r0);
            V.Store(t + 6 * V.Count, r1);
            V.Store(t + 12 * V.Count, r2);
        }
        for (nint i = 0; i < 3; i++)
        {
            float* t = buffer + i * 6 * V.Count, w = taps + i * 3 * V.Count;
            WeightGrad(V.Load(t), V.Load(t + V.Count), V.Load(t + 2 * V.Count), V.Load(t + 3 * V.Count), V.Load(t + 4 * V.Count),
                V.Load(t + 5 * V.Count), out V r0, out V r1, out V r2);
            V.Store(w, r0);
            V.Store(w + V.Count, r1);
            V.Store(w + 2 * V.Count, r2);
        }
    }
}
