namespace NativeDiffusion.Model.Guiders;

/// <summary>What a perturbed prediction leaves out of a network; guidance moves away from it.</summary>
public enum PerturbationKind
{
    /// <summary>
    /// Every token attends to itself alone, so that attention gives the values; its output projection stays. Perturbed-attention guidance
    /// (PAG; Ahn et al. 2024, arXiv 2403.17377).
    /// </summary>
    IdentityAttention,

    /// <summary>The block passes its input on. Skip-layer guidance (SLG; Hyung et al. 2024, arXiv 2411.18664).</summary>
    SkippedBlock,

    /// <summary>Attention and its output projection pass the normalised tokens on; gate and residual stay. Transformers only.</summary>
    SkippedAttention,

    /// <summary>The perceptron passes the normalised tokens on; gate and residual stay. Transformers only.</summary>
    SkippedFeedForward,

    /// <summary>Queries are blurred over the image by <see cref="Perturbation.Sigma"/>. Smoothed energy guidance (SEG; Hong 2024, arXiv 2408.00760).</summary>
    BlurredQueries,
}

/// <summary>
/// A network's blocks that are perturbed, in the last rows of a batch: one plan makes the predictions of all branches, and rows before
/// <paramref name="FirstRow"/> are what they are without it, bit by bit.
/// </summary>
/// <param name="Kind">What is done to the blocks.</param>
/// <param name="FirstRow">First row of the batch that is perturbed, as all after it are.</param>
public sealed record Perturbation(PerturbationKind Kind, int FirstRow)
{
    /// <summary>
    /// Blocks, counted from 0 in the order in which the network runs them: transformer blocks, or the self-attentions of a U-Net. Left out, the block
    /// in the middle: of a U-Net the attention at its lowest resolution, between the way down and the way up, of a transformer the first block of its second half.
    /// </summary>
    public IReadOnlyList<int>? Blocks { get; init; }

    /// <summary>Standard deviation of <see cref="PerturbationKind.BlurredQueries"/> in tokens, above 0; above 9999, as by default, the mean over all tokens.</summary>
    public double Sigma { get; init; } = double.PositiveInfinity;

    /// <summary>The numbers of the blocks in a network.</summary>
    /// <param name="count">Blocks that the network has.</param>
    /// <param name="middle">Number of the one that is perturbed by default.</param>
    /// <param name="batch">Rows of the batch.</param>
    /// <param name="transformer">Whether the blocks are those of a transformer.</param>
    /// <exception cref="ArgumentException">The network cannot be perturbed like this; the message says why.</exception>
    internal IReadOnlyList<int> BlocksOf(int count, int middle, int batch, bool transformer)
    {
        if (!Enum.IsDefined(Kind)) throw new ArgumentException($"{Kind} is not a perturbation; use one of {string.Join(", ", Enum.GetNames<PerturbationKind>())}.");
        if (!transformer && Kind is PerturbationKind.SkippedAttention or PerturbationKind.SkippedFeedForward)
            throw new ArgumentException($"{Kind} is for transformers: what a U-Net has are blocks of attention alone. Use {nameof(PerturbationKind.SkippedBlock)}.");
        if (!(Sigma > 0)) throw new ArgumentException($"Queries are blurred by a sigma above 0; got {Sigma}.");
        if (FirstRow < 0 || FirstRow >= batch) throw new ArgumentException($"Rows from {FirstRow} on are to be perturbed, and the batch has rows 0 to {batch - 1}.");
        if (count == 0) throw new ArgumentException("The network has no attention, so there is nothing to perturb; guide by another method.");
        if (Blocks is null) return [Math.Min(middle, count - 1)];
        if (Blocks.Count == 0) throw new ArgumentException("No block is to be perturbed; leave the list out for the default, or the perturbation.");
        foreach (int block in Blocks)
            if (block < 0 || block >= count)
                throw new ArgumentException($"Block {block} is to be perturbed, and the network has {count}, counted from 0.");
        return Blocks;
    }
}
