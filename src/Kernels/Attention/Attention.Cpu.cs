using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Keys per step of the running softmax: their block of products, two vectors of queries wide, stays in the first-level cache.
    private const int AttentionKeyBlock = 128;

    /// <inheritdoc/>
    public void AttentionForward(TensorView qkv, int heads, QkvOrder order, float scale, TensorView y, TensorView logSumExp)
    {
        if (LaneCount == 16) AttentionForward<Lanes512>(qkv, heads, order, scale, y, logSumExp);
        else if (LaneCount == 8) AttentionForward<Lanes256>(qkv, heads, order, scale, y, logSumExp);
        else AttentionForward<Lanes128>(qkv, heads, order, scale, y, logSumExp);
    }

    private void AttentionForward<V>(TensorView qkv, int heads, QkvOrder order, float scale, TensorView y, TensorView logSumExp)
        where V : unmanaged, ILanes<V>
    {
        int panel = 2 * V.Count, headDim = y.Shape[2] / heads;
        EnsureScratch((long)panel * (headDim + MatrixProduct.RoundUp(headDim, MatrixProduct.RowGranularity) + AttentionKeyBlock));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        int queryBlocks = MatrixProduct.Blocks(y.Shape[1], panel);
        var job = new AttentionForwardJob<V>
        {
            Q = AttentionHeads.Of(qkv, heads, order, 0),
            K = AttentionHeads.Of(qkv, heads, order, 1),
            Values = AttentionHeads.Of(qkv, heads, order, 2),
            Y = AttentionHeads.Of(y, heads),
            LogSumExp = logSumExp.Pointer, Heads = heads, HeadDim = headDim, QueryBlocks = queryBlocks, Scale = scale, Scratch = scratch,
        };
        Pool.Run(ref job, y.Shape[0] * heads * queryBlocks);
    }

    /// <summary>
    /// Two vectors of queries of one head. Queries are in lanes throughout: products are k q^T (a row per key), and the output accumulates
    /// transposed, v^T times the weights, so that softmax needs no sums across lanes and keys and values are read where they lie.
    /// </summary>
    private struct AttentionForwardJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public AttentionHeads Q, K, Values, Y;
        public float* LogSumExp;
        public int Heads, HeadDim, QueryBlocks;
        public float Scale;
        public float** Scratch;

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        public readonly void Execute(int item, int worker)
        {
            int panel = 2 * V.Count;
            int q0 = item % QueryBlocks * panel;
            int head = item / QueryBlocks % Heads;
            int n = item / QueryBlocks / Heads;
            int queries = Math.Min(panel, Q.Tokens - q0);
            float* qt = Scratch[worker];
            float* yt = qt + HeadDim * panel;
            float* weights = yt + MatrixProduct.RoundUp(HeadDim, MatrixProduct.RowGranularity) * panel;
            int vectors = queries > V.Count ? 2 : 1;

            Q.LoadTransposed<V>(Q.At(n, head) + q0 * Q.Token, queries, HeadDim, qt, panel);
            V scale = V.Broadcast(Scale);
            for (int i = 0; i < vectors; i++) MultiplyLane(qt + i * V.Count, HeadDim, scale);

            V max0 = V.Zero, max1 = V.Zero, sum0 = V.Zero, sum1 = V.Zero;
            float* k = K.At(n, head);
            float* v = Values.At(n, head);
            for (int k0 = 0; k0 < K.Tokens; k0 += AttentionKeyBlock)
            {
                int count = Math.Min(AttentionKeyBlock, K.Tokens - k0);
                bool first = k0 == 0;
                MatrixProduct.Multiply<V>(k + k0 * K.Token, K.Token, K.Channel, count, qt, panel, HeadDim, weights, panel, queries, false);
                Exponentiate(weights, count, yt, HeadDim, first, ref max0, ref sum0);
                if (vectors == 2) Exponentiate(weights + V.Count, count, yt + V.Count, HeadDim, first, ref max1, ref sum1);
                MatrixProduct.Multiply<V>(
                    v + k0 * Values.Token, Values.Channel, Values.Token, HeadDim, weights, panel, count, yt, panel, queries, !first);
            }

            MultiplyLane(yt, HeadDim, V.Broadcast(1f) / sum0);
            if (vectors == 2) MultiplyLane(yt + V.Count, HeadDim, V.Broadcast(1f) / sum1);
            Transposition.Run(yt, panel, HeadDim, queries, Y.At(n, head) + q0 * Y.Token, Y.Token);
            float* logSumExp = LogSumExp + ((nint)n * Heads + head) * Q.Tokens + q0;
            float* max = weights;
            float* sum = weights + panel;
            V.Store(max, max0);
            V.Store(max + V.Count, max1);
            V.Store(sum, sum0);
            V.Store(sum + V.Count, sum1);
            for (int i = 0; i < queries; i++) logSumExp[i] = max[i] + MathF.Log(sum[i]);
        }

        /// <summary>
        /// Replaces one vector's products, a row per key, by exp(product - running maximum), adds them to the running sum, and scales sum and
        /// output down if the maximum rose.
        /// </summary>
        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static void Exponentiate(float* products, int keys, float* yt, int headDim, bool first, ref V max, ref V sum)
        {
            nint panel = 2 * V.Count;
            V highest = V.Load(products);
            for (nint k = 1; k < keys; k++) highest = V.Max(highest, V.Load(products + k * panel));
            V total = V.Zero;
            if (!first)
            {
                highest = V.Max(highest, max);
                V decay = LanesMath.Exp(max - highest);
                total = sum * decay;
                MultiplyLane(yt, headDim, decay);
            }
            for (nint k = 0; k < keys; k++)
            {
                V weight = LanesMath.Exp(V.Load(products + k * panel) - highest);
                V.Store(products + k * panel, weight);
                total += weight;
            }
            max = highest;
            sum = total;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void MultiplyLane(float* values, int rows, V factor)
        {
            nint panel = 2 * V.Count;
            for (nint i = 0; i < rows; i++) V.Store(values + i * panel, V.Load(values + i * panel) * factor);
        }
    }
}
