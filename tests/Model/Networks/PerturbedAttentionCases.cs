using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Tests.Cases;
using NativeDiffusion.Tests.Reference;

namespace NativeDiffusion.Tests.Model.Networks;

/// <summary>Attention whose last rows are perturbed, for every order of the channels.</summary>
public sealed class PerturbedAttentionCases : ICaseList
{
    private static readonly Block Any = new ConvBlock("block", new ConvLayer("block", 1, 1, 1));

    public static IEnumerable<OpCase> Cases =>
        from order in Enum.GetValues<QkvOrder>()
        from kind in new[] { PerturbationKind.IdentityAttention, PerturbationKind.BlurredQueries }
        from c in new (Shape Shape, int Heads, int First)[] { (new(2, 9, 30), 2, 1), (new(3, 3, 3, 15), 1, 0), (new(3, 4, 4, 48), 4, 2), (new(1, 1, 9), 3, 0) }
        select new OpCase($"{kind} {c.Shape} from row {c.First}, {c.Heads} heads, {order}", [new("qkv", c.Shape)],
            (b, x) => new BlockPerturbation(new Perturbation(kind, c.First) { Sigma = 0.8 }, [Any]).Attention(Any, b, x[0], c.Heads, order),
            x => Oracle(kind, x[0], c.First, c.Heads, order)) { RowsAreIndependent = false };

    private static DoubleTensor Oracle(PerturbationKind kind, DoubleTensor qkv, int first, int heads, QkvOrder order)
    {
        int channels = qkv.Shape.Channels / 3, headDim = channels / heads, rows = qkv.Shape.Batch, tokens = (int)(qkv.Shape.RowCount / qkv.Shape.Channels);
        int Channel(int which, int c) => AttentionReference.Channel(order, heads, headDim, c / headDim, which, c % headDim);
        var changed = new DoubleTensor(new Shape(rows, tokens, 3 * channels), [.. qkv.Data]);
        if (kind == PerturbationKind.BlurredQueries)
            for (int c = 0; c < channels; c++)
            {
                int at = Channel(0, c);
                var query = new DoubleTensor(new Shape(rows, tokens, 1));
                for (int i = 0; i < rows * tokens; i++) query.Data[i] = qkv.Data[i * 3 * channels + at];
                var blurred = BlurTokensCases.Oracle(query, 0.8);
                for (int i = first * tokens; i < rows * tokens; i++) changed.Data[i * 3 * channels + at] = blurred.Data[i];
            }
        double[] y = AttentionReference.Forward(changed.Data, rows, tokens, heads, headDim, order, 1 / Math.Sqrt(headDim)).Y;
        if (kind == PerturbationKind.IdentityAttention)
            for (int i = first * tokens * channels; i < y.Length; i++) y[i] = qkv.Data[i / channels * 3 * channels + Channel(2, i % channels)];
        return new(qkv.Shape.WithChannels(channels), y);
    }
}
