using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>The inner loops of attention's backward pass: blocks with a row per key and queries in lanes.</summary>
internal static unsafe class AttentionBackwardTiles
{
    /// <summary>Queries, and keys, of a block: the distance of its rows.</summary>
    public const int Block = 64;

    /// <summary>
    /// For a block of the backward pass, a row per key: p = P = 2^(k . q - L), ds = P (v . dy - D). Queries and output gradients lie transposed
    /// and are padded to a multiple of two vectors. Rows up to a multiple of four are written; those past the last key repeat it.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Differentiate<V>(
        float* k, nint kToken, nint kChannel, float* v, nint vToken, nint vChannel, int keys, float* queries, float* dy, int columns,
        nint headDim, float* logSumExp, float* delta, float* p, float* ds)
        where V : unmanaged, ILanes<V>
    {
        for (nint j = 0; j < columns; j += 2 * V.Count)
        {
            V l0 = V.Load(logSumExp + j), l1 = V.Load(logSumExp + j + V.Count);
            V delta0 = V.Load(delta + j), delta1 = V.Load(delta + j + V.Count);
            for (int key = 0; key < keys; key += V.Count == 16 ? 4 : 2)
            {
                int last = keys - key - 1;
                float* k0 = k + key * kToken;
                float* k1 = k0 + (last < 1 ? last : 1) * kToken;
                float* k2 = k0 + (last < 2 ? last : 2) * kToken;
                float* k3 = k0 + (last < 3 ? last : 3) * kToken;
                float* v0 = v + key * vToken;
                float* v1 = v0 + (last < 1 ? last : 1) * vToken;
                float* v2 = v0 + (last < 2 ? last : 2) * vToken;
                float* v3 = v0 + (last < 3 ? last : 3) * vToken;
                V s00 = V.Zero, s10 = V.Zero, s20 = V.Zero, s30 = V.Zero, s01 = V.Zero, s11 = V.Zero, s21 = V.Zero, s31 = V.Zero;
                V g00 = V.Zero, g10 = V.Zero, g20 = V.Zero, g30 = V.Zero, g01 = V.Zero, g11 = V.Zero, g21 = V.Zero, g31 = V.Zero;
                float* q = queries + j;
                float* g = dy + j;
                nint kc = 0, vc = 0;
                for (nint c = headDim; c > 0; c--)
                {
                    V b0 = V.Load(q), b1 = V.Load(q + V.Count);
                    AttentionTiles.Step(k0[kc], b0, b1, ref s00, ref s01);
                    AttentionTiles.Step(k1[kc], b0, b1, ref s10, ref s11);
                    if (V.Count == 16)
                    {
                        AttentionTiles.Step(k2[kc], b0, b1, ref s20, ref s21);
                        AttentionTiles.Step(k3[kc], b0, b1, ref s30, ref s31);
                    }
                    b0 = V.Load(g);
                    b1 = V.Load(g + V.Count);
                    AttentionTiles.Step(v0[vc], b0, b1, ref g00, ref g01);
                    AttentionTiles.Step(v1[vc], b0, b1, ref g10, ref g11);
                    if (V.Count == 16)
                    {
                        AttentionTiles.Step(v2[vc], b0, b1, ref g20, ref g21);
                        AttentionTiles.Step(v3[vc], b0, b1, ref g30, ref g31);
                    }
                    kc += kChannel;
                    vc += vChannel;
                    q += Block;
                    g += Block;
                }
                nint at = key * Block + j;
                Differentiate(s00, s01, s10, s11, g00, g01, g10, g11, l0, l1, delta0, delta1, p + at, ds + at);
                if (V.Count == 16)
                {
                    at += 2 * Block;
                    Differentiate(s20, s21, s30, s31, g20, g21, g30, g31, l0, l1, delta0, delta1, p + at, ds + at);
                }
            }
        }
    }

    /// <summary>Zero for keys that come after their query, in a block of the diagonal.</summary>
    public static void ClearLater(float* p, float* ds, int keys)
    {
        for (int key = 1; key < keys; key++)
        {
            new Span<float>(p + key * Block, key).Clear();
            new Span<float>(ds + key * Block, key).Clear();
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Differentiate<V>(
        V s00, V s01, V s10, V s11, V g00, V g01, V g10, V g11, V l0, V l1, V delta0, V delta1, float* p, float* ds)
        where V : unmanaged, ILanes<V>
    {
        s00 -= l0;
        s01 -= l1;
        s10 -= l0;
        s11 -= l1;
        AttentionTiles.Exp2(ref s00, ref s01, ref s10, ref s11);
        V.Store(p, s00);
        V.Store(p + V.Count, s01);
        V.Store(p + Block, s10);
        V.Store(p + Block + V.Count, s11);
        V.Store(ds, s00 * (g00 - delta0));
        V.Store(ds + V.Count, s01 * (g01 - delta1));
        V.Store(ds + Block, s10 * (g10 - delta0));
        V.Store(ds + Block + V.Count, s11 * (g11 - delta1));
    }

    /// <summary>
    /// gradient[key, c] (+)= sum over queries of weights[key, query] * rows[query, c] for one vector of channels: sixteen keys at a time, because
    /// a single vector gives eight chains of additions too little to do. Reads weights and writes gradients up to a multiple of sixteen keys.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Accumulate<V>(float* weights, int keys, float* rows, nint row, int queries, float* gradient, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        for (int key = 0; key < keys; key += 16)
        {
            float* c = gradient + key * row;
            V c0 = V.Zero, c1 = V.Zero, c2 = V.Zero, c3 = V.Zero;
            V c4 = V.Zero, c5 = V.Zero, c6 = V.Zero, c7 = V.Zero;
            V c8 = V.Zero, c9 = V.Zero, c10 = V.Zero, c11 = V.Zero;
            V c12 = V.Zero, c13 = V.Zero, c14 = V.Zero, c15 = V.Zero;
            if (accumulate)
            {
                c0 = V.Load(c);
                c1 = V.Load(c + row);
                c2 = V.Load(c + 2 * row);
                c3 = V.Load(c + 3 * row);
                c4 = V.Load(c + 4 * row);
                c5 = V.Load(c + 5 * row);
                c6 = V.Load(c + 6 * row);
                c7 = V.Load(c + 7 * row);
                c8 = V.Load(c + 8 * row);
                c9 = V.Load(c + 9 * row);
                c10 = V.Load(c + 10 * row);
                c11 = V.Load(c + 11 * row);
                c12 = V.Load(c + 12 * row);
                c13 = V.Load(c + 13 * row);
                c14 = V.Load(c + 14 * row);
                c15 = V.Load(c + 15 * row);
            }
            float* w = weights + key * Block;
            float* q = rows;
            for (nint i = queries; i > 0; i--)
            {
                V b = V.Load(q);
                c0 = V.MultiplyAdd(V.Broadcast(w[0]), b, c0);
                c1 = V.MultiplyAdd(V.Broadcast(w[Block]), b, c1);
                c2 = V.MultiplyAdd(V.Broadcast(w[2 * Block]), b, c2);
                c3 = V.MultiplyAdd(V.Broadcast(w[3 * Block]), b, c3);
                c4 = V.MultiplyAdd(V.Broadcast(w[4 * Block]), b, c4);
                c5 = V.MultiplyAdd(V.Broadcast(w[5 * Block]), b, c5);
                c6 = V.MultiplyAdd(V.Broadcast(w[6 * Block]), b, c6);
                c7 = V.MultiplyAdd(V.Broadcast(w[7 * Block]), b, c7);
                c8 = V.MultiplyAdd(V.Broadcast(w[8 * Block]), b, c8);
                c9 = V.MultiplyAdd(V.Broadcast(w[9 * Block]), b, c9);
                c10 = V.MultiplyAdd(V.Broadcast(w[10 * Block]), b, c10);
                c11 = V.MultiplyAdd(V.Broadcast(w[11 * Block]), b, c11);
                c12 = V.MultiplyAdd(V.Broadcast(w[12 * Block]), b, c12);
                c13 = V.MultiplyAdd(V.Broadcast(w[13 * Block]), b, c13);
                c14 = V.MultiplyAdd(V.Broadcast(w[14 * Block]), b, c14);
                c15 = V.MultiplyAdd(V.Broadcast(w[15 * Block]), b, c15);
                w++;
                q += row;
            }
            V.Store(c, c0);
            V.Store(c + row, c1);
            V.Store(c + 2 * row, c2);
            V.Store(c + 3 * row, c3);
            V.Store(c + 4 * row, c4);
            V.Store(c + 5 * row, c5);
            V.Store(c + 6 * row, c6);
            V.Store(c + 7 * row, c7);
            V.Store(c + 8 * row, c8);
            V.Store(c + 9 * row, c9);
            V.Store(c + 10 * row, c10);
            V.Store(c + 11 * row, c11);
            V.Store(c + 12 * row, c12);
            V.Store(c + 13 * row, c13);
            V.Store(c + 14 * row, c14);
            V.Store(c + 15 * row, c15);
        }
    }
}
