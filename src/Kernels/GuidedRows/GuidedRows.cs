namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n] = the prediction of sample n's first branch, or its conditional one where there is no such branch, both without learned variance.</summary>
    /// <param name="prediction">[R,...,C], or [R,...,2C] of which the first C channels count; row n is the conditional prediction of sample n.</param>
    /// <param name="branchRow">[N,K] int32 bits: row of each sample's branches, -1 for none.</param>
    /// <param name="y">[N,...,C], written.</param>
    /// <exception cref="ArgumentException">A row is out of range; on a device whose memory the host does not see, y becomes NaN instead.</exception>
    internal void TakeBranch(TensorView prediction, TensorView branchRow, TensorView y);

    /// <summary>
    /// Puts guided predictions in the place of the conditional ones. For a sample whose first branch exists and has a weight,
    /// <code>
    /// p0 = guided + (m - 1) p0 + sum over k from 2 of w_k (p0 - p_k)
    /// </code>
    /// and without the term guided - p0 for any other; then its weights are 1, 0, ..., 0.
    /// </summary>
    /// <param name="guided">[N,...,C].</param>
    /// <param name="branchRow">[N,K] int32 bits: row of each sample's branches, from N on, -1 for none.</param>
    /// <param name="guidedChannels">How many channels, the first, are guided; the others stay.</param>
    /// <param name="prediction">[R,...,C] or [R,...,2C]; updated.</param>
    /// <param name="weight">[N,1+K]: m, w_1 to w_K; updated.</param>
    /// <exception cref="ArgumentException">A row is out of range; on a device whose memory the host does not see, the sample's m becomes NaN instead.</exception>
    internal void PutGuided(TensorView guided, TensorView branchRow, int guidedChannels, TensorView prediction, TensorView weight);
}
