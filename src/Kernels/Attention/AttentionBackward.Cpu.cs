using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    private const int AttentionBackwardBlock = 64;

    /// <inheritdoc/>
    public void AttentionBackward(
        TensorView qkv, TensorView y, TensorView logSumExp, TensorView dy, int heads, QkvOrder order, float scale, TensorView dqkv, bool accumulate)
    {
        if (LaneCount == 16) AttentionBackward<Lanes512>(qkv, y, logSumExp, dy, heads, order, scale, dqkv, accumulate);
        else if (LaneCount == 8) AttentionBackward<Lanes256>(qkv, y, logSumExp, dy, heads, order, scale, dqkv, accumulate);
        else AttentionBackward<Lanes128>(qkv, y, logSumExp, dy, heads, order, scale, dqkv, accumulate);
    }

    private void AttentionBackward<V>(
        TensorView qkv, TensorView y, TensorView logSumExp, TensorView dy, int heads, QkvOrder order, float scale, TensorView dqkv, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        int headDim = y.Shape[2] / heads, tokens = y.Shape[1];
        nint row = MatrixProduct.RoundUp(headDim, V.Count);
        nint rows = MatrixProduct.RoundUp(headDim, MatrixProduct.RowGranularity);
        nint keyRows = MatrixProduct.RoundUp(tokens, MatrixProduct.RowGranularity);
        const int Block = AttentionBackwardBlock;
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
            LogSumExp = logSumExp.Pointer, Heads = heads, HeadDim = headDim, Scale = scale, Accumulate = accumulate, Scratch = scratch,
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
        public bool Accumulate;
        public float** Scratch;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int item, int worker)
        {
            const int Block = AttentionBackwardBlock;
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
                Q.LoadRows<V>(qBlock, queries, d, Scale, qRows, Row);
                Dy.LoadRows<V>(dyBlock, queries, d, 1, dyRows, Row);
                Transpose(qRows, Row, queries, d, qt, Block);
                Transpose(dyRows, Row, queries, d, dyt, Block);
                Stage(LogSumExp + ((nint)n * Heads + head) * Q.Tokens + q0, y + q0 * Y.Token, Y.Token, dyRows, Row, queries, d, logSumExp, delta);

                for (int k0 = 0; k0 < K.Tokens; k0 += Block)
                {
                    int keys = Math.Min(Block, K.Tokens - k0);
                    float* kBlock = k + k0 * K.Token;
                    MatrixProduct.Multiply<V>(kBlock, K.Token, K.Channel, keys, qt, Block, d, p, Block, queries, false);
                    MatrixProduct.Multiply<V>(v + k0 * Values.Token, Values.Token, Values.Channel, keys, dyt, Block, d, ds, Block, queries, false);
                    Differentiate(p, ds, keys, queries, logSumExp, delta);
                    MatrixProduct.Multiply<V>(kBlock, K.Channel, K.Token, d, ds, Block, keys, dqt, Block, queries, k0 > 0);
                    MatrixProduct.Multiply<V>(p, Block, 1, keys, dyRows, Row, queries, dv + k0 * Row, Row, d, q0 > 0);
                    MatrixProduct.Multiply<V>(ds, Block, 1, keys, qRows, Row, queries, dk + k0 * Row, Row, d, q0 > 0);
                }
                Transposition.Run(dqt, Block, d, queries, qRows, Row);
                Dq.StoreRows<V>(qRows, Row, queries, d, Scale, Dq.At(n, head) + q0 * Dq.Token, Accumulate);
            }
            Dk.StoreRows<V>(dk, Row, K.Tokens, d, 1, Dk.At(n, head), Accumulate);
            Dv.StoreRows<V>(dv, Row, K.Tokens, d, 1, Dv.At(n, head), Accumulate);
        }

        private static void Transpose(float* rows, nint row, int queries, int channels, float* transposed, nint stride)
        {
            if (queries % V.Count != 0)
                for (nint c = 0; c < channels; c++)
                    V.Store(transposed + c * stride + queries / V.Count * V.Count, V.Zero);
            Transposition.Run(rows, row, queries, channels, transposed, stride);
        }

        /// <summary>Copies the block's L and computes its D; both zero up to a whole vector.</summary>
        private static void Stage(
            float* source, float* y, nint yToken, float* dyRows, nint row, int queries, int channels, float* logSumExp, float* delta)
        {
            for (int i = 0; i < MatrixProduct.RoundUp(queries, V.Count); i++)
            {
                logSumExp[i] = i < queries ? source[i] : 0;
                delta[i] = i < queries ? Dot(y + i * yToken, dyRows + i * row, channels) : 0;
            }
        }

        private static float Dot(float* a, float* b, int count)
        {
            V sum = V.Zero;
            int c = 0;
            for (; c + V.Count <= count; c += V.Count) sum = V.MultiplyAdd(V.Load(a + c), V.Load(b + c), sum);
            if (c < count) sum = V.MultiplyAdd(V.LoadPartial(a + c, count - c), V.LoadPartial(b + c, count - c), sum);
            return V.Sum(sum);
        }

        /// <summary>products becomes P = exp(products - L); ds, which holds dy . v, becomes P (ds - D).</summary>
        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static void Differentiate(float* products, float* ds, int keys, int queries, float* logSumExp, float* delta)
        {
            for (nint j = 0; j < queries; j += V.Count)
            {
                V l = V.Load(logSumExp + j), d = V.Load(delta + j);
                float* p = products + j;
                float* g = ds + j;
                for (nint i = 0; i < keys; i++)
                {
                    V weight = LanesMath.Exp(V.Load(p) - l);
                    V.Store(p, weight);
                    V.Store(g, weight * (V.Load(g) - d));
                    p += AttentionBackwardBlock;
                    g += AttentionBackwardBlock;
                }
            }
        }
    }
}
