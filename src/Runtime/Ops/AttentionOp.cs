using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Multi-head self-attention, y = softmax(scale q k^T) v for each head: [N, T, 3C] or [N, H, W, 3C] to the same with C channels.</summary>
    /// <param name="qkv">Queries, keys and values of all heads.</param>
    /// <param name="heads">Number of heads; divides C.</param>
    /// <param name="order">Order of qkv's channels.</param>
    /// <param name="scale">Multiplies the products of queries and keys; 1 / sqrt(C / heads) when left out.</param>
    /// <param name="causal">Whether each token sees itself and those before it only.</param>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public Tensor Attention(Tensor qkv, int heads, QkvOrder order, float? scale = null, bool causal = false)
    {
        if (qkv.Shape.Rank is not (3 or 4) || qkv.Shape.Channels % 3 != 0)
            throw new ArgumentException($"Attention takes [N, T, 3C] or [N, H, W, 3C]; got {qkv}.");
        int channels = qkv.Shape.Channels / 3;
        if (heads < 1 || channels % heads != 0)
            throw new ArgumentException($"{heads} heads do not divide the {channels} channels of attention over {qkv}.");
        if (!Enum.IsDefined(order)) throw new ArgumentException($"{order} is not an order of the channels of {qkv}.");
        if (AreShared(out var sourceRow, qkv)) return Share(_steps.Count, Attention(qkv.GatheredFrom!, heads, order, scale, causal), sourceRow);
        int headDim = channels / heads, batch = qkv.Shape.Batch, tokens = checked((int)(qkv.Shape.RowCount / qkv.Shape.Channels));
        float factor = scale ?? 1 / MathF.Sqrt(headDim);
        Shape qkvShape = new(batch, tokens, 3 * channels), rows = new(batch, tokens, channels);
        var y = Temporary(qkv.Shape.WithChannels(channels), "attention");
        var logSumExp = Temporary(new Shape(batch, heads, tokens), "attention.logSumExp");
        double flops = (causal ? 2.0 : 4.0) * batch * heads * tokens * tokens * headDim;
        Record(nameof(IKernels.AttentionForward), [qkv], [y, logSumExp],
            k => k.AttentionForward(qkv.View.Reshape(qkvShape), heads, order, factor, causal, y.View.Reshape(rows), logSumExp.View), flops);
        OnBackward([qkv], y, dy =>
        {
            var (dqkv, accumulate) = GradientTarget(qkv);
            Record(nameof(IKernels.AttentionBackward), [qkv, y, logSumExp, dy], [dqkv],
                k => k.AttentionBackward(qkv.View.Reshape(qkvShape), y.View.Reshape(rows), logSumExp.View, dy.View.Reshape(rows),
                    heads, order, factor, causal, dqkv.View.Reshape(qkvShape), accumulate), 2.5 * flops);
        });
        return y;
    }
}
