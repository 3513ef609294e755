namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Adaptive projected guidance (APG; Sadat et al., arXiv 2410.02416) with momentum, or with lengths by channel: the guided prediction takes the place of the
    /// conditional one, and the weights become 1, 0, ..., 0. With p0 the conditional prediction of a sample, p_k that of branch k, weights m, w_1, ... as for
    /// <see cref="GuidanceWeights"/> and s = w_1 + 1, or w_1 if original, or what the options say,
    /// <code>
    /// D   = p0 - p1;  running = D = D + momentum running      if there is a running difference
    /// D  *= min(1, threshold / |D|)                           if there is a threshold
    /// D  += (eta - 1) kappa p0,  kappa = D.p0 / max(|p0|, 1e-12)^2
    /// p   = m p0 + s D - (p0 - p1 unless original) + sum over k from 2 of w_k (p0 - p_k)
    /// p  *= rescale std(p0) / std(p) + 1 - rescale            unless std(p) = 0
    /// </code>
    /// Where branch 1 has no row, or its weight is 0, the sum starts at m p0 and the running difference stays. Sums are over the sample, or each channel of
    /// it, in double; std is over the sample.
    /// </summary>
    /// <param name="options">What to do.</param>
    /// <param name="prediction">[R,...,C], or [R,...,2C] of which the first C channels count; row n is the conditional prediction of sample n; updated.</param>
    /// <param name="branchRow">[N,K] int32 bits: row of each sample's branches, from N on, -1 for none. K is 1 to 4.</param>
    /// <param name="channels">C.</param>
    /// <param name="weight">[N,1+K]; updated.</param>
    /// <param name="running">[N,...,C], 0 before the first step; updated. Left out for none, then momentum means nothing.</param>
    /// <exception cref="ArgumentException">An option is out of its range, or a row (on a device whose memory the host does not see, the sample's m
    /// becomes NaN instead).</exception>
    internal void ProjectedGuidance(
        in ProjectedGuidanceOptions options, TensorView prediction, TensorView branchRow, int channels, TensorView weight, TensorView running);
}
