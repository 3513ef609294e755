using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.AttentionBackward(
        TensorView qkv, TensorView y, TensorView logSumExp, TensorView dy, int heads, QkvOrder order, float scale, bool causal, TensorView dqkv,
        bool accumulate)
    {
        if (LaneCount == 16) AttentionBackward<Lanes512>(qkv, y, logSumExp, dy, heads, order, scale, causal, dqkv, accumulate);
        else if (LaneCount == 8) AttentionBackward<Lanes256>(qkv, y, logSumExp, dy, heads, order, scale, causal, dqkv, accumulate);
        else AttentionBackward<Lanes128>(qkv, y, logSumExp, dy, heads, order, scale, causal, dqkv, accumulate);
    }

    private void AttentionBackward<V>(
        TensorView qkv, TensorView y, TensorView logSumExp, TensorView dy, int heads, QkvOrder order, float scale, bool causal, TensorView dqkv,
        bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        int headDim = y.Shape[2] / heads, tokens = y.Shape[1];
        nint row = MatrixProduct.RoundUp(headDim, V.Count);
        nint rows = MatrixProduct.RoundUp(headDim, MatrixProduct.RowGranularity);
        nint keyRows = MatrixProduct.RoundUp(tokens, 16);
        const int Block = AttentionBackwardTiles.Block;
        EnsureScratch(2 * keyRows * row + Block * (3 * rows + 2 * row + 2 * Block + 2));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        var job = new AttentionBackwardJob<V>
        {
            Q = AttentionHeads.Of(qkv, heads, order, 0),
            K = AttentionHeads.Of(qkv, heads, order, 1),
            Values = AttentionHeads.Of(qkv, heads, order, 2),
            Y = AttentionHeads.Of(y, heads),
            Dq = AttentionHeads.Of(dqkv, heads, order, 0),
            Dk = AttentionHeads.Of(dqkv, heads, order, 1),
            Dv = AttentionHeads.Of(dqkv, heads, order, 2),
            Dy = AttentionHeads.Of(dy, heads),
            LogSumExp = logSumExp.Pointer, Heads = heads, HeadDim = headDim, Scale = scale, Causal = causal, Accumulate = accumulate,
            Scratch = scratch,
            Row = row, Rows = rows, KeyRows = keyRows,
        };
        Pool.Run(ref job, y.Shape[0] * heads);
    }

    /// <summary>
    /// One head. Blocks of queries in the outer loop, of keys in the inner one; products have a row per key and queries in lanes. The
    /// gradients of keys and values grow over the query blocks in scratch memory, in ascending order.
    /// </summary>
    private struct AttentionBackwardJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public AttentionHeads Q, K, Values, Y, Dq, Dk, Dv, Dy;
        public float* LogSumExp;
        public int Heads, HeadDim;
        public nint Row, Rows, KeyRows;
        public float Scale;
        public bool Causal, Accumulate;
        public float** Scratch;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int item, int worker)
        {
            const int Block = AttentionBackwardTiles.Block;
            int head = item % Heads, n = item / Heads, d = HeadDim;
            float* dk = Scratch[worker];
            float* dv = dk + KeyRows * Row;
            float* qt = dv + KeyRows * Row;
            float* dyt = qt + Block * Rows;
            float* dqt = dyt + Block * Rows;
            float* qRows = dqt + Block * Rows;
            float* dyRows = qRows + Block * Row;
            float* p = dyRows + Block * Row;
            float* ds = p + Block * Block;
            float* logSumExp = ds + Block * Block;
            float* delta = logSumExp + Block;
            float* q = Q.At(n, head), k = K.At(n, head), v = Values.At(n, head), y = Y.At(n, head), dy = Dy.At(n, head);

            for (int q0 = 0; q0 < Q.Tokens; q0 += Block)
            {
                int queries = Math.Min(Block, Q.Tokens - q0);
                float* qBlock = q + q0 * Q.Token;
                float* dyBlock = dy + q0 * Dy.Token;
                // The output's rows pass through the places of the queries' and of dq's.
                Y.LoadRows<V>(y + q0 * Y.Token, queries, d, 1, qRows, Row);
                Transpose(qRows, Row, queries, d, dqt);
                Dy.LoadRows<V>(dyBlock, queries, d, 1, dyRows, Row);
                Transpose(dyRows, Row, queries, d, dyt);
                Q.LoadRows<V>(qBlock, queries, d, Scale * Log2E, qRows, Row);
                Transpose(qRows, Row, queries, d, qt);
                Stage(LogSumExp + ((nint)n * Heads + head) * Q.Tokens + q0, queries, dqt, dyt, d, logSumExp, delta);

                int end = Causal ? q0 + queries : K.Tokens;
                for (int k0 = 0; k0 < end; k0 += Block)
                {
                    int keys = Math.Min(Block, end - k0);
                    if (q0 == 0)
                    {
                        K.Prefetch(n, head, k0, keys, d);
                        Values.Prefetch(n, head, k0, keys, d);
                    }
                    float* kBlock = k + k0 * K.Token;
                    AttentionBackwardTiles.Differentiate<V>(
                        kBlock, K.Token, K.Channel, v + k0 * Values.Token, Values.Token, Values.Channel, keys, qt, dyt, queries, d,
                        logSumExp, delta, p, ds);
                    if (Causal && k0 == q0) AttentionBackwardTiles.ClearLater(p, ds, keys);
                    MatrixProduct.Multiply<V>(kBlock, K.Channel, K.Token, d, ds, Block, keys, dqt, Block, queries, k0 > 0);
                    bool add = q0 > (Causal ? k0 : 0);
                    AddGradient(p, keys, dyRows, queries, dv + k0 * Row, add);
                    AddGradient(ds, keys, qRows, queries, dk + k0 * Row, add);
                }
                Transposition.Run(dqt, Block, d, queries, qRows, Row);
                Dq.StoreRows<V>(qRows, Row, queries, d, Scale, Dq.At(n, head) + q0 * Dq.Token, Accumulate);
            }
            Dk.StoreRows<V>(dk, Row, K.Tokens, d, Ln2, Dk.At(n, head), Accumulate);
            Dv.StoreRows<V>(dv, Row, K.Tokens, d, 1, Dv.At(n, head), Accumulate);
        }

        private readonly void AddGradient(float* weights, int keys, float* rows, int queries, float* gradient, bool accumulate)
        {
            if (V.Count == 16 && HeadDim <= V.Count) AttentionBackwardTiles.Accumulate<V>(weights, keys, rows, Row, queries, gradient, accumulate);
            else
            {
                MatrixProduct.Multiply<V>(
                    weights, AttentionBackwardTiles.Block, 1, keys, rows, Row, queries, gradient, Row, HeadDim, accumulate);
            }
        }

        private static void Transpose(float* rows, nint row, int queries, int channels, float* transposed)
        {
            int padded = MatrixProduct.RoundUp(queries, 2 * V.Count);
            new Span<float>(rows + queries * row, (padded - queries) * (int)row).Clear();
            Transposition.Run(rows, row, padded, channels, transposed, AttentionBackwardTiles.Block);
        }

        /// <summary>The block's L, in base 2, and its D = y . dy; both zero up to a whole panel.</summary>
        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static void Stage(float* source, int queries, float* yt, float* dyt, int channels, float* logSumExp, float* delta)
        {
            for (int i = 0; i < MatrixProduct.RoundUp(queries, 2 * V.Count); i++) logSumExp[i] = i < queries ? source[i] * Log2E : 0;
            for (nint i = 0; i < queries; i += V.Count)
            {
                V sum = V.Zero;
                for (nint c = 0; c < channels; c++)
                    sum = V.MultiplyAdd(V.Load(yt + c * AttentionBackwardTiles.Block + i), V.Load(dyt + c * AttentionBackwardTiles.Block + i), sum);
                V.Store(delta + i, sum);
            }
        }
    }
}
