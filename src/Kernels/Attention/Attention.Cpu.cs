using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Keys per step of the running softmax: their block of products, two vectors of queries wide, stays in the first-level cache.
    private const int AttentionKeyBlock = 128;

    // Blocks of queries that one worker takes in a row, so that it finds the head's keys and values in its own cache.
    private const int AttentionQueryBlocks = 4;

    // Fewer items than this are cut smaller, to keep the processors busy at batch 1.
    private const int AttentionItems = 16;

    // Weights are powers of two: log2(e) enters with the scale.
    private const float Log2E = 1.44269504f, Ln2 = 0.693147181f;

    /// <inheritdoc/>
    void IKernels.AttentionForward(TensorView qkv, int heads, QkvOrder order, float scale, bool causal, TensorView y, TensorView logSumExp)
    {
        if (LaneCount == 16) AttentionForward<Lanes512>(qkv, heads, order, scale, causal, y, logSumExp);
        else if (LaneCount == 8) AttentionForward<Lanes256>(qkv, heads, order, scale, causal, y, logSumExp);
        else AttentionForward<Lanes128>(qkv, heads, order, scale, causal, y, logSumExp);
    }

    private void AttentionForward<V>(TensorView qkv, int heads, QkvOrder order, float scale, bool causal, TensorView y, TensorView logSumExp)
        where V : unmanaged, ILanes<V>
    {
        int panel = 2 * V.Count, headDim = y.Shape[2] / heads;
        int row = MatrixProduct.RoundUp(headDim, V.Count);
        EnsureScratch((long)panel * (headDim + MatrixProduct.RoundUp(headDim, MatrixProduct.RowGranularity) + row + AttentionKeyBlock));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        int blocks = MatrixProduct.Blocks(y.Shape[1], panel), allHeads = y.Shape[0] * heads;
        int blocksPerItem = (int)Math.Clamp((long)allHeads * blocks / AttentionItems, 1, AttentionQueryBlocks);
        var job = new AttentionForwardJob<V>
        {
            Q = AttentionHeads.Of(qkv, heads, order, 0),
            K = AttentionHeads.Of(qkv, heads, order, 1),
            Values = AttentionHeads.Of(qkv, heads, order, 2),
            Y = AttentionHeads.Of(y, heads),
            LogSumExp = logSumExp.Pointer, Heads = heads, HeadDim = headDim, Row = row, Scale = scale * Log2E,
            Causal = causal, Scratch = scratch,
            QueriesPerItem = blocksPerItem * panel, ItemsPerHead = MatrixProduct.Blocks(blocks, blocksPerItem),
        };
        Pool.Run(ref job, allHeads * job.ItemsPerHead);
    }

    /// <summary>
    /// A few blocks, two vectors each, of queries of one head. Queries are in lanes throughout: products are k q^T (a row per key), and the
    /// output accumulates transposed, v^T times the weights, so that softmax needs no sums across lanes and keys and values are read where
    /// they lie.
    /// </summary>
    private struct AttentionForwardJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public AttentionHeads Q, K, Values, Y;
        public float* LogSumExp;
        public int Heads, HeadDim, Row, QueriesPerItem, ItemsPerHead;
        public float Scale;
        public bool Causal;
        public float** Scratch;

        public readonly void Execute(int item, int worker)
        {
            int head = item / ItemsPerHead % Heads;
            int n = item / ItemsPerHead / Heads;
            int first = item % ItemsPerHead * QueriesPerItem;
            for (int q0 = first; q0 < Math.Min(first + QueriesPerItem, Q.Tokens); q0 += 2 * V.Count) Attend(n, head, q0, q0 == first, Scratch[worker]);
        }

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private readonly void Attend(int n, int head, int q0, bool first, float* scratch)
        {
            int panel = 2 * V.Count;
            int queries = Math.Min(panel, Q.Tokens - q0);
            float* qt = scratch;
            float* yt = qt + HeadDim * panel;
            float* rows = yt + MatrixProduct.RoundUp(HeadDim, MatrixProduct.RowGranularity) * panel;
            float* weights = rows + panel * Row;

            // Whole rows first: they lie far apart, and a transposition's short accesses wait for each of them.
            Q.LoadRows<V>(Q.At(n, head) + q0 * Q.Token, queries, HeadDim, Scale, rows, Row);
            new Span<float>(rows + queries * Row, (panel - queries) * Row).Clear();
            Transposition.Run(rows, Row, panel, HeadDim, qt, panel);

            V max0 = V.Broadcast(float.NegativeInfinity), max1 = max0, sum0 = V.Zero, sum1 = V.Zero;
            float* k = K.At(n, head);
            float* v = Values.At(n, head);
            int end = Causal ? q0 + queries : K.Tokens;
            for (int k0 = 0; k0 < end; k0 += AttentionKeyBlock)
            {
                int keys = Math.Min(AttentionKeyBlock, end - k0);
                if (first)
                {
                    K.Prefetch(n, head, k0, keys, HeadDim);
                    Values.Prefetch(n, head, k0, keys, HeadDim);
                }
                V decay0 = max0, decay1 = max1;
                if (Causal && k0 + keys > q0 + 1)
                {
                    V any0 = max0, any1 = max1;
                    AttentionTiles.Score(k + k0 * K.Token, K.Token, K.Channel, keys, qt, HeadDim, weights, ref any0, ref any1);
                    AttentionTiles.HideLater(weights, keys, k0 - q0, ref max0, ref max1);
                }
                else AttentionTiles.Score(k + k0 * K.Token, K.Token, K.Channel, keys, qt, HeadDim, weights, ref max0, ref max1);
                if (k0 > 0)
                {
                    decay0 -= max0;
                    decay1 -= max1;
                    V idle0 = V.Zero, idle1 = V.Zero;
                    AttentionTiles.Exp2(ref decay0, ref decay1, ref idle0, ref idle1);
                    sum0 *= decay0;
                    sum1 *= decay1;
                    Multiply(yt, HeadDim, decay0, decay1);
                }
                AttentionTiles.Exponentiate(weights, keys, max0, max1, ref sum0, ref sum1);
                MatrixProduct.Multiply<V>(
                    v + k0 * Values.Token, Values.Channel, Values.Token, HeadDim, weights, panel, keys, yt, panel, panel, k0 > 0);
            }

            Multiply(yt, HeadDim, V.Broadcast(1f) / sum0, V.Broadcast(1f) / sum1);
            Transposition.Run(yt, panel, HeadDim, queries, rows, Row);
            Y.StoreRows<V>(rows, Row, queries, HeadDim, 1, Y.At(n, head) + q0 * Y.Token, false);
            float* logSumExp = LogSumExp + ((nint)n * Heads + head) * Q.Tokens + q0;
            float* max = weights;
            float* sum = weights + panel;
            V.Store(max, max0);
            V.Store(max + V.Count, max1);
            V.Store(sum, sum0);
            V.Store(sum + V.Count, sum1);
            for (int i = 0; i < queries; i++) logSumExp[i] = max[i] * Ln2 + MathF.Log(sum[i]);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Multiply(float* values, int rows, V factor0, V factor1)
        {
            nint panel = 2 * V.Count;
            for (nint i = 0; i < rows; i++)
            {
                V.Store(values + i * panel, V.Load(values + i * panel) * factor0);
                V.Store(values + i * panel + V.Count, V.Load(values + i * panel + V.Count) * factor1);
            }
        }
    }
}
