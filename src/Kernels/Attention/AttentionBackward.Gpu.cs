using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void AttentionBackward(
        TensorView qkv, TensorView y, TensorView logSumExp, TensorView dy, int heads, QkvOrder order, float scale, bool causal, TensorView dqkv,
        bool accumulate)
    {
        int headDim = y.Shape[2] / heads;
        long rows = y.Count / headDim;
        var delta = Scratch(0, rows);
        const int RowsPerGroup = GroupSize / AttentionDeltaKernel.ThreadsPerRow;
        Launch(new AttentionDeltaKernel
        {
            Y = View(y), Dy = View(dy), Delta = delta, Rows = rows, Heads = heads, Tokens = y.Shape[1], Channels = headDim,
        }, (rows + RowsPerGroup - 1) / RowsPerGroup);
        var inputs = new AttentionBackwardInputs
        {
            Q = Heads(qkv, heads, order, 0),
            K = Heads(qkv, heads, order, 1),
            V = Heads(qkv, heads, order, 2),
            Dy = Heads(dy, heads),
            LogSumExp = View(logSumExp),
            Delta = delta,
            Heads = heads,
            Causal = causal ? 1 : 0,
            Accumulate = accumulate ? 1 : 0,
            Scale = scale,
        };
        GpuHeads dq = Heads(dqkv, heads, order, 0), dk = Heads(dqkv, heads, order, 1), dv = Heads(dqkv, heads, order, 2);
        if (headDim <= 64) DifferentiateQueries<AttentionWidth64>(inputs, dq, y, heads);
        else if (headDim <= 128) DifferentiateQueries<AttentionWidth128>(inputs, dq, y, heads);
        else DifferentiateQueries<AttentionWidth256>(inputs, dq, y, heads);
        // Two results in one kernel: at most 128 channels of each have room in a thread's registers.
        if (headDim <= 64) DifferentiateKeys<AttentionWidth64>(inputs, dk, dv, y, heads);
        else DifferentiateKeys<AttentionWidth128>(inputs, dk, dv, y, heads);
    }

    private void DifferentiateQueries<TWidth>(in AttentionBackwardInputs inputs, GpuHeads dq, TensorView y, int heads)
        where TWidth : struct, IAttentionWidth =>
        LaunchAttention<AttentionQueryGradKernel<TWidth>, TWidth>(new AttentionQueryGradKernel<TWidth> { Inputs = inputs, Dq = dq }, y, heads);

    private void DifferentiateKeys<TWidth>(in AttentionBackwardInputs inputs, GpuHeads dk, GpuHeads dv, TensorView y, int heads)
        where TWidth : struct, IAttentionWidth =>
        LaunchAttention<AttentionKeyGradKernel<TWidth>, TWidth>(new AttentionKeyGradKernel<TWidth> { Inputs = inputs, Dk = dk, Dv = dv }, y, heads);
}

/// <summary>D[n, head, token] = dy . y over the channels of a head, 16 threads for each.</summary>
internal struct AttentionDeltaKernel : IGpuKernel
{
    public const int ThreadsPerRow = 16;

    public ArrayView<float> Y, Dy, Delta;
    public long Rows;
    public int Heads, Tokens, Channels;

    public readonly void Run()
    {
        var partials = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        int thread = Group.IdxX % ThreadsPerRow;
        long row = ((long)Grid.IdxX * Group.DimX + Group.IdxX) / ThreadsPerRow;
        float sum = 0;
        if (row < Rows)
            for (int c = thread; c < Channels; c += ThreadsPerRow) sum = Y[row * Channels + c] * Dy[row * Channels + c] + sum;
        sum = Reduction.Sum(partials, sum, ThreadsPerRow);
        if (thread != 0 || row >= Rows) return;
        long token = row / Heads, head = row - token * Heads, n = token / Tokens;
        Delta[(n * Heads + head) * Tokens + (token - n * Tokens)] = sum;
    }
}

/// <summary>What both kernels of attention's backward pass read.</summary>
internal struct AttentionBackwardInputs
{
    public GpuHeads Q, K, V, Dy;
    public ArrayView<float> LogSumExp, Delta;
    public int Heads, Causal, Accumulate;
    public float Scale;

    /// <summary>Fetches L and D of 64 queries; zero for those beyond the last, whose q and dy are zero too.</summary>
    public readonly void StageStatistics(int n, int head, int query, ArrayView<float> statistics)
    {
        if (Group.IdxX >= AttentionBlocks.Tokens) return;
        int token = query + Group.IdxX;
        long at = ((long)n * Heads + head) * Q.Tokens + token;
        statistics[Group.IdxX] = token < Q.Tokens ? LogSumExp[at] : 0;
        statistics[AttentionBlocks.Tokens + Group.IdxX] = token < Q.Tokens ? Delta[at] : 0;
    }
}

/// <summary>dq of 64 queries of a head, over blocks of 64 keys; queries are the rows of products.</summary>
internal struct AttentionQueryGradKernel<TWidth> : IGpuKernel
    where TWidth : struct, IAttentionWidth
{
    public static int Threads => AttentionBlocks.Threads;

    public AttentionBackwardInputs Inputs;
    public GpuHeads Dq;

    public readonly void Run()
    {
        var staging = SharedMemory.Allocate<float>(AttentionBlocks.BlockLength);
        var weights = SharedMemory.Allocate<float>(AttentionBlocks.BlockLength);
        var statistics = SharedMemory.Allocate<float>(AttentionBlocks.StatisticsLength);
        GpuHeads q = Inputs.Q, k = Inputs.K, v = Inputs.V, dy = Inputs.Dy;
        AttentionBlocks.Place<TWidth>(q.Tokens, Inputs.Heads, out int n, out int head, out int query, out int channel);
        Inputs.StageStatistics(n, head, query, statistics);
        var result = default(AttentionRows);
        int end = Inputs.Causal != 0 ? IntrinsicMath.Min(k.Tokens, query + AttentionBlocks.Tokens) : k.Tokens;
        for (int key = 0; key < end; key += AttentionBlocks.Tokens)
        {
            var products = default(AttentionSums);
            AttentionBlocks.Products(ref products, q, q.At(n, head), query, k, k.At(n, head), key, staging);
            products.Multiply(Inputs.Scale);
            products.HideColumns(k.Tokens - key - 4 * AttentionBlocks.Column);
            if (Inputs.Causal != 0 && key == query) products.HideLaterColumns();
            products.SubtractRows(AttentionBlocks.OfRows(statistics, 0, 0), AttentionBlocks.OfRows(statistics, 0, 1));
            products.Exponentiate();
            AttentionBlocks.StoreTurned(products, weights);

            AttentionBlocks.Products(ref products, dy, dy.At(n, head), query, v, v.At(n, head), key, staging);
            products.SubtractRows(AttentionBlocks.OfRows(statistics, 1, 0), AttentionBlocks.OfRows(statistics, 1, 1));
            AttentionBlocks.MultiplyTurned(products, weights);
            AttentionBlocks.AddWeighted<TWidth>(ref result, weights, k, k.At(n, head), key, channel, staging);
        }
        var scales = new F4 { X = Inputs.Scale, Y = Inputs.Scale, Z = Inputs.Scale, W = Inputs.Scale };
        result.Multiply<TWidth>(scales, scales);
        result.Store<TWidth>(Dq, Dq.At(n, head), query, channel, Inputs.Accumulate);
    }
}

/// <summary>dk and dv of 64 keys of a head, over blocks of 64 queries; keys are the rows of products.</summary>
internal struct AttentionKeyGradKernel<TWidth> : IGpuKernel
    where TWidth : struct, IAttentionWidth
{
    public static int Threads => AttentionBlocks.Threads;

    public AttentionBackwardInputs Inputs;
    public GpuHeads Dk, Dv;

    public readonly void Run()
    {
        var staging = SharedMemory.Allocate<float>(AttentionBlocks.BlockLength);
        var weights = SharedMemory.Allocate<float>(AttentionBlocks.BlockLength);
        var statistics = SharedMemory.Allocate<float>(AttentionBlocks.StatisticsLength);
        GpuHeads q = Inputs.Q, k = Inputs.K, v = Inputs.V, dy = Inputs.Dy;
        AttentionBlocks.Place<TWidth>(k.Tokens, Inputs.Heads, out int n, out int head, out int key, out int channel);
        AttentionRows keyGrad = default, valueGrad = default;
        for (int query = Inputs.Causal != 0 ? key : 0; query < q.Tokens; query += AttentionBlocks.Tokens)
        {
            Inputs.StageStatistics(n, head, query, statistics);
            var products = default(AttentionSums);
            AttentionBlocks.Products(ref products, k, k.At(n, head), key, q, q.At(n, head), query, staging);
            products.Multiply(Inputs.Scale);
            if (Inputs.Causal != 0 && key == query) products.HideEarlierColumns();
            products.SubtractColumns(AttentionBlocks.OfColumns(statistics, 0));
            products.Exponentiate();
            AttentionBlocks.StoreTurned(products, weights);
            AttentionBlocks.AddWeighted<TWidth>(ref valueGrad, weights, dy, dy.At(n, head), query, channel, staging);

            AttentionBlocks.Products(ref products, v, v.At(n, head), key, dy, dy.At(n, head), query, staging);
            products.SubtractColumns(AttentionBlocks.OfColumns(statistics, 1));
            AttentionBlocks.MultiplyTurned(products, weights);
            AttentionBlocks.AddWeighted<TWidth>(ref keyGrad, weights, q, q.At(n, head), query, channel, staging);
        }
        var scales = new F4 { X = Inputs.Scale, Y = Inputs.Scale, Z = Inputs.Scale, W = Inputs.Scale };
        keyGrad.Multiply<TWidth>(scales, scales);
        keyGrad.Store<TWidth>(Dk, Dk.At(n, head), key, channel, Inputs.Accumulate);
        valueGrad.Store<TWidth>(Dv, Dv.At(n, head), key, channel, Inputs.Accumulate);
    }
}
