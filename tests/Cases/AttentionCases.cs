using NativeDiffusion.Kernels;
using NativeDiffusion.Tests.Reference;

namespace NativeDiffusion.Tests.Cases;

public sealed class AttentionCases : ICaseList
{
    public static IEnumerable<OpCase> Cases
    {
        get
        {
            foreach (var order in Enum.GetValues<QkvOrder>())
                foreach (var (qkv, heads) in new[]
                {
                    (new Shape(1, 1, 3), 1), (new Shape(2, 5, 30), 2), (new Shape(2, 16, 24), 1), (new Shape(2, 17, 51), 1),
                    (new Shape(2, 4, 5, 48), 4), (new Shape(1, 33, 96), 1), (new Shape(1, 70, 24), 1),
                })
                    yield return Case(order, qkv, heads, 1);
            yield return Case(QkvOrder.Split, new Shape(2, 9, 24), 1, 3);
            foreach (var (qkv, heads) in new[] { (new Shape(1, 1, 3), 1), (new Shape(2, 5, 30), 2), (new Shape(2, 17, 51), 1), (new Shape(1, 70, 24), 1) })
                yield return Case(QkvOrder.Split, qkv, heads, 1, causal: true);
        }
    }

    private static OpCase Case(QkvOrder order, Shape qkv, int heads, double inputScale, bool causal = false)
    {
        int channels = qkv.Channels / 3, headDim = channels / heads;
        return new($"Attention {qkv}, {heads} heads, {order}, inputs of {inputScale}{(causal ? ", causal" : "")}", [new("qkv", qkv, Scale: inputScale)],
            (b, x) => b.Attention(x[0], heads, order, causal: causal),
            x => new(x[0].Shape.WithChannels(channels), AttentionReference.Forward(
                x[0].Data, x[0].Shape.Batch, (int)(x[0].Shape.RowCount / (3 * channels)), heads, headDim, order, 1 / Math.Sqrt(headDim), causal).Y));
    }
}
