using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>
/// The inner loops of attention's forward pass, and its exponential. Queries are in lanes, two vectors of them side by side; rows of products and weights belong to keys.
/// </summary>
internal static unsafe class AttentionTiles
{
    /// <summary>
    /// products[key, query] = k[key] . q[query], element (key, c) of k at key * token + c * channel; raises each query's highest product.
    /// Rows up to a multiple of eight are written; those past the last key repeat it.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Score<V>(
        float* k, nint token, nint channel, int keys, float* queries, nint headDim, float* products, ref V highest0, ref V highest1)
        where V : unmanaged, ILanes<V>
    {
        nint panel = 2 * V.Count;
        V max0 = highest0, max1 = highest1;
        // Sixteen accumulators need more registers than narrower instruction sets have.
        for (int key = 0; key < keys; key += V.Count == 16 ? 8 : 4)
        {
            int last = keys - key - 1;
            float* a0 = k + key * token;
            float* a1 = a0 + (last < 1 ? last : 1) * token;
            float* a2 = a0 + (last < 2 ? last : 2) * token;
            float* a3 = a0 + (last < 3 ? last : 3) * token;
            float* a4 = a0 + (last < 4 ? last : 4) * token;
            float* a5 = a0 + (last < 5 ? last : 5) * token;
            float* a6 = a0 + (last < 6 ? last : 6) * token;
            float* a7 = a0 + (last < 7 ? last : 7) * token;
            V c00 = V.Zero, c10 = V.Zero, c20 = V.Zero, c30 = V.Zero, c40 = V.Zero, c50 = V.Zero, c60 = V.Zero, c70 = V.Zero;
            V c01 = V.Zero, c11 = V.Zero, c21 = V.Zero, c31 = V.Zero, c41 = V.Zero, c51 = V.Zero, c61 = V.Zero, c71 = V.Zero;
            float* q = queries;
            nint s = 0;
            for (nint c = headDim; c > 0; c--)
            {
                V q0 = V.Load(q);
                V q1 = V.Load(q + V.Count);
                Step(a0[s], q0, q1, ref c00, ref c01);
                Step(a1[s], q0, q1, ref c10, ref c11);
                Step(a2[s], q0, q1, ref c20, ref c21);
                Step(a3[s], q0, q1, ref c30, ref c31);
                if (V.Count == 16)
                {
                    Step(a4[s], q0, q1, ref c40, ref c41);
                    Step(a5[s], q0, q1, ref c50, ref c51);
                    Step(a6[s], q0, q1, ref c60, ref c61);
                    Step(a7[s], q0, q1, ref c70, ref c71);
                }
                s += channel;
                q += panel;
            }
            float* p = products + key * panel;
            Emit(p, c00, c01, ref max0, ref max1);
            Emit(p + panel, c10, c11, ref max0, ref max1);
            Emit(p + 2 * panel, c20, c21, ref max0, ref max1);
            Emit(p + 3 * panel, c30, c31, ref max0, ref max1);
            if (V.Count == 16)
            {
                Emit(p + 4 * panel, c40, c41, ref max0, ref max1);
                Emit(p + 5 * panel, c50, c51, ref max0, ref max1);
                Emit(p + 6 * panel, c60, c61, ref max0, ref max1);
                Emit(p + 7 * panel, c70, c71, ref max0, ref max1);
            }
        }
        highest0 = max0;
        highest1 = max1;
    }

    /// <summary>
    /// Makes the products of keys that come after their query so low that their weights vanish beside any other, and raises each query's highest
    /// product by the rest. The first key is <paramref name="offset"/> tokens after the first query.
    /// </summary>
    public static void HideLater<V>(float* products, int keys, int offset, ref V highest0, ref V highest1)
        where V : unmanaged, ILanes<V>
    {
        int panel = 2 * V.Count;
        for (int key = 0; key < keys; key++, products += panel)
        {
            new Span<float>(products, Math.Clamp(key + offset, 0, panel)).Fill(float.MinValue);
            highest0 = V.Max(highest0, V.Load(products));
            highest1 = V.Max(highest1, V.Load(products + V.Count));
        }
    }

    /// <summary>Replaces products by 2^(product - highest) and adds these weights to the sums.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Exponentiate<V>(float* products, int keys, V highest0, V highest1, ref V sum0, ref V sum1)
        where V : unmanaged, ILanes<V>
    {
        nint panel = 2 * V.Count;
        if (keys % 2 == 1)
        {
            // The second key of the last pair: no weight.
            V.Store(products + keys * panel, V.Broadcast(float.MinValue));
            V.Store(products + keys * panel + V.Count, V.Broadcast(float.MinValue));
        }
        V total0 = sum0, total1 = sum1;
        float* p = products;
        for (int k = keys; k > 0; k -= 2)
        {
            V x0 = V.Load(p) - highest0;
            V x1 = V.Load(p + V.Count) - highest1;
            V x2 = V.Load(p + panel) - highest0;
            V x3 = V.Load(p + panel + V.Count) - highest1;
            Exp2(ref x0, ref x1, ref x2, ref x3);
            V.Store(p, x0);
            V.Store(p + V.Count, x1);
            V.Store(p + panel, x2);
            V.Store(p + panel + V.Count, x3);
            total0 += x0;
            total1 += x1;
            total0 += x2;
            total1 += x3;
            p += 2 * panel;
        }
        sum0 = total0;
        sum1 = total1;
    }

    /// <summary>
    /// 2^x within 2 ulp, 1 at 0, for x up to 127; below -126 at most 2^-126: 2^n times the minimax polynomial of degree 5 in the rest (relative
    /// error 1.1e-7). Four at once, step by step: one chain after the other would fill the scheduler before its latency is hidden.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Exp2<V>(ref V x0, ref V x1, ref V x2, ref V x3)
        where V : unmanaged, ILanes<V>
    {
        V n0 = V.Round(x0), n1 = V.Round(x1), n2 = V.Round(x2), n3 = V.Round(x3);
        V r0 = x0 - n0, r1 = x1 - n1, r2 = x2 - n2, r3 = x3 - n3;
        V p0 = V.Broadcast(0.00132647273f), p1 = p0, p2 = p0, p3 = p0;
        Horner(0.00967151299f, r0, r1, r2, r3, ref p0, ref p1, ref p2, ref p3);
        Horner(0.0555073358f, r0, r1, r2, r3, ref p0, ref p1, ref p2, ref p3);
        Horner(0.240222424f, r0, r1, r2, r3, ref p0, ref p1, ref p2, ref p3);
        Horner(0.693147004f, r0, r1, r2, r3, ref p0, ref p1, ref p2, ref p3);
        Horner(1f, r0, r1, r2, r3, ref p0, ref p1, ref p2, ref p3);
        x0 = V.ScaleByPowerOfTwo(p0, n0);
        x1 = V.ScaleByPowerOfTwo(p1, n1);
        x2 = V.ScaleByPowerOfTwo(p2, n2);
        x3 = V.ScaleByPowerOfTwo(p3, n3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Horner<V>(float coefficient, V r0, V r1, V r2, V r3, ref V p0, ref V p1, ref V p2, ref V p3)
        where V : unmanaged, ILanes<V>
    {
        V c = V.Broadcast(coefficient);
        p0 = V.MultiplyAdd(p0, r0, c);
        p1 = V.MultiplyAdd(p1, r1, c);
        p2 = V.MultiplyAdd(p2, r2, c);
        p3 = V.MultiplyAdd(p3, r3, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Step<V>(float a, V b0, V b1, ref V c0, ref V c1)
        where V : unmanaged, ILanes<V>
    {
        V lanes = V.Broadcast(a);
        c0 = V.MultiplyAdd(lanes, b0, c0);
        c1 = V.MultiplyAdd(lanes, b1, c1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Emit<V>(float* p, V c0, V c1, ref V max0, ref V max1)
        where V : unmanaged, ILanes<V>
    {
        V.Store(p, c0);
        V.Store(p + V.Count, c1);
        // The product comes second: where one operand is NaN, x86's maximum returns the second.
        max0 = V.Max(max0, c0);
        max1 = V.Max(max1, c1);
    }
}
