using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>A perturbation and the blocks that it is for.</summary>
internal sealed class BlockPerturbation(Perturbation perturbation, IReadOnlyList<Block> blocks)
{
    /// <summary>That of a network whose blocks are given in their order; null for none.</summary>
    /// <exception cref="ArgumentException">The network cannot be perturbed like this.</exception>
    public static BlockPerturbation? Of(Perturbation? perturbation, IReadOnlyList<Block> blocks, int middle, int batch, bool transformer) =>
        perturbation is null ? null : new(perturbation, [.. perturbation.BlocksOf(blocks.Count, middle, batch, transformer).Select(i => blocks[i])]);

    public bool Is(PerturbationKind kind, Block block) => perturbation.Kind == kind && blocks.Contains(block);

    /// <summary>One function of the rows before the first that is perturbed, and another of the others.</summary>
    public Tensor Split(PlanBuilder b, Tensor x, Func<Tensor, Tensor> plain, Func<Tensor, Tensor> perturbed)
    {
        int first = perturbation.FirstRow;
        if (first == 0) return perturbed(x);
        var (above, below) = (b.Rows(x, 0, first), b.Rows(x, first, x.Shape.Batch - first));
        return b.ConcatRows(plain(above), perturbed(below));
    }

    /// <summary>Self-attention of a block.</summary>
    public Tensor Attention(Block block, PlanBuilder b, Tensor qkv, int heads, QkvOrder order)
    {
        Tensor Plain(Tensor rows) => b.Attention(rows, heads, order);
        if (Is(PerturbationKind.IdentityAttention, block)) return Split(b, qkv, Plain, rows => Part(b, rows, heads, order, 2));
        return Is(PerturbationKind.BlurredQueries, block) ? Split(b, qkv, Plain, rows => Plain(BlurQueries(b, rows, heads, order))) : Plain(qkv);
    }

    private Tensor BlurQueries(PlanBuilder b, Tensor qkv, int heads, QkvOrder order)
    {
        var queries = Part(b, qkv, heads, order, 0);
        int tokens = (int)(qkv.Shape.RowCount / qkv.Shape.Channels);
        var blurred = b.BlurTokens(b.Reshape(queries, new Shape(qkv.Shape.Batch, tokens, queries.Shape.Channels)), perturbation.Sigma);
        int unit = Unit(qkv, heads, order), units = checked((int)(qkv.Count / (3 * unit)));
        var others = b.Slice(b.Reshape(qkv, new Shape(units, 3 * unit)), unit, 2 * unit);
        return b.Reshape(b.Concat(b.Reshape(blurred, new Shape(units, unit)), others), qkv.Shape);
    }

    /// <summary>Queries (0), keys (1) or values (2), their channels head by head.</summary>
    private static Tensor Part(PlanBuilder b, Tensor qkv, int heads, QkvOrder order, int part)
    {
        int unit = Unit(qkv, heads, order), units = checked((int)(qkv.Count / (3 * unit)));
        return b.Reshape(b.Slice(b.Reshape(qkv, new Shape(units, 3 * unit)), part * unit, unit), qkv.Shape.WithChannels(qkv.Shape.Channels / 3));
    }

    // In every order as many neighbouring channels are queries as then are keys and values.
    private static int Unit(Tensor qkv, int heads, QkvOrder order) => order switch
    {
        QkvOrder.Split => qkv.Shape.Channels / 3,
        QkvOrder.PerHead => qkv.Shape.Channels / 3 / heads,
        _ => 1,
    };
}
