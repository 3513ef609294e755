using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void AttentionForward(TensorView qkv, int heads, QkvOrder order, float scale, bool causal, TensorView y, TensorView logSumExp)
    {
        int headDim = y.Shape[2] / heads;
        if (headDim <= 64) AttentionForward<AttentionWidth64>(qkv, heads, order, scale, causal, y, logSumExp);
        else if (headDim <= 128) AttentionForward<AttentionWidth128>(qkv, heads, order, scale, causal, y, logSumExp);
        else AttentionForward<AttentionWidth256>(qkv, heads, order, scale, causal, y, logSumExp);
    }

    private void AttentionForward<TWidth>(TensorView qkv, int heads, QkvOrder order, float scale, bool causal, TensorView y, TensorView logSumExp)
        where TWidth : struct, IAttentionWidth
    {
        var kernel = new AttentionForwardKernel<TWidth>
        {
            Q = Heads(qkv, heads, order, 0),
            K = Heads(qkv, heads, order, 1),
            V = Heads(qkv, heads, order, 2),
            Y = Heads(y, heads),
            LogSumExp = View(logSumExp),
            Heads = heads,
            Causal = causal ? 1 : 0,
            Scale = scale,
        };
        LaunchAttention<AttentionForwardKernel<TWidth>, TWidth>(kernel, y, heads);
    }

    /// <summary>A group for every sample, head and block of tokens, and for every <typeparamref name="TWidth"/> channels of the result.</summary>
    private void LaunchAttention<TKernel, TWidth>(in TKernel kernel, TensorView y, int heads)
        where TKernel : struct, IGpuKernel
        where TWidth : struct, IAttentionWidth
    {
        int blocks = AttentionBlocks.Count(y.Shape[1]);
        int width = TWidth.Parts * AttentionBlocks.Width, parts = (y.Shape[2] / heads + width - 1) / width;
        Launch(kernel, (long)y.Shape[0] * heads * blocks, parts);
    }

    /// <summary>Queries (0), keys (1) or values (2) inside [N, T, 3C].</summary>
    private GpuHeads Heads(TensorView qkv, int heads, QkvOrder order, int which)
    {
        int channels = qkv.Shape[2] / 3, headDim = channels / heads;
        var (start, head, channel) = order switch
        {
            QkvOrder.PerHead => (which * headDim, 3 * headDim, 1),
            QkvOrder.Split => (which * channels, headDim, 1),
            QkvOrder.Innermost => (which, 3 * headDim, 3),
            _ => throw new ArgumentOutOfRangeException(nameof(order), order, "Not a channel order of qkv."),
        };
        return Heads(qkv, start, head, channel, headDim);
    }

    /// <summary>A tensor [N, T, C] whose channels are head by head.</summary>
    private GpuHeads Heads(TensorView y, int heads) => Heads(y, 0, y.Shape[2] / heads, 1, y.Shape[2] / heads);

    private GpuHeads Heads(TensorView tensor, int start, int head, int channel, int headDim) => new()
    {
        Values = View(tensor),
        Start = start,
        Batch = (long)tensor.Shape[1] * tensor.Shape[2],
        Head = head,
        Token = tensor.Shape[2],
        Channel = channel,
        Tokens = tensor.Shape[1],
        Channels = headDim,
        Vectors = channel == 1 ? InVectors(headDim, tensor) : 0,
    };
}

/// <summary>
/// 64 queries of a head, over blocks of 64 keys: their products, the exponentials of these relative to the highest so far, and the values weighted
/// by them; what was summed before is multiplied by e^(last highest - highest).
/// </summary>
internal struct AttentionForwardKernel<TWidth> : IGpuKernel
    where TWidth : struct, IAttentionWidth
{
    public static int Threads => AttentionBlocks.Threads;

    public GpuHeads Q, K, V, Y;
    public ArrayView<float> LogSumExp;
    public int Heads, Causal;
    public float Scale;

    public readonly void Run()
    {
        var staging = SharedMemory.Allocate<float>(AttentionBlocks.BlockLength);
        var weights = SharedMemory.Allocate<float>(AttentionBlocks.BlockLength);
        var statistics = SharedMemory.Allocate<float>(AttentionBlocks.StatisticsLength);
        AttentionBlocks.Place<TWidth>(Q.Tokens, Heads, out int n, out int head, out int query, out int channel);
        var result = default(AttentionRows);
        // Sums of the weights of a thread's columns; for threads below 64, the highest product of query t.
        F4 sumLow = default, sumHigh = default;
        float highest = float.MinValue;
        int end = Causal != 0 ? IntrinsicMath.Min(K.Tokens, query + AttentionBlocks.Tokens) : K.Tokens;
        for (int key = 0; key < end; key += AttentionBlocks.Tokens)
        {
            var products = default(AttentionSums);
            AttentionBlocks.Products(ref products, Q, Q.At(n, head), query, K, K.At(n, head), key, staging);
            products.Multiply(Scale);
            products.HideColumns(K.Tokens - key - 4 * AttentionBlocks.Column);
            if (Causal != 0 && key == query) products.HideLaterColumns();

            AttentionBlocks.PutPartials(weights, products.HighestLow(), products.HighestHigh());
            Group.Barrier();
            if (Group.IdxX < AttentionBlocks.Tokens)
            {
                float last = highest;
                for (int i = 0; i < 16; i++)
                    highest = ScalarMath.Max(highest, AttentionBlocks.Partial(weights, Group.IdxX, i));
                statistics[Group.IdxX] = highest;
                statistics[AttentionBlocks.Tokens + Group.IdxX] = LanesMath.Exp(new LanesScalar(last - highest)).Value;
            }
            Group.Barrier();

            products.SubtractRows(AttentionBlocks.OfRows(statistics, 0, 0), AttentionBlocks.OfRows(statistics, 0, 1));
            products.Exponentiate();
            F4 decayLow = AttentionBlocks.OfRows(statistics, 1, 0), decayHigh = AttentionBlocks.OfRows(statistics, 1, 1);
            sumLow = MultiplyAdd(sumLow, decayLow, products.SumLow());
            sumHigh = MultiplyAdd(sumHigh, decayHigh, products.SumHigh());
            AttentionBlocks.StoreTurned(products, weights);
            result.Multiply<TWidth>(decayLow, decayHigh);
            AttentionBlocks.AddWeighted<TWidth>(ref result, weights, V, V.At(n, head), key, channel, staging);
        }

        AttentionBlocks.PutPartials(weights, sumLow, sumHigh);
        Group.Barrier();
        if (Group.IdxX < AttentionBlocks.Tokens)
        {
            float sum = 0;
            for (int i = 0; i < 16; i++) sum += AttentionBlocks.Partial(weights, Group.IdxX, i);
            statistics[Group.IdxX] = 1 / sum;
            int token = query + Group.IdxX;
            if (token < Q.Tokens && Grid.IdxY == 0) LogSumExp[((long)n * Heads + head) * Q.Tokens + token] = highest + ScalarMath.Log(sum);
        }
        Group.Barrier();
        result.Multiply<TWidth>(AttentionBlocks.OfRows(statistics, 0, 0), AttentionBlocks.OfRows(statistics, 0, 1));
        result.Store<TWidth>(Y, Y.At(n, head), query, channel, 0);
    }

    private static F4 MultiplyAdd(F4 a, F4 b, F4 c) => new() { X = a.X * b.X + c.X, Y = a.Y * b.Y + c.Y, Z = a.Z * b.Z + c.Z, W = a.W * b.W + c.W };
}
