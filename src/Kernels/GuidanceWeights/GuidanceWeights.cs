namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// The weights of a guided prediction, corrected in place by what its sample's predictions are. A sample's guided prediction is
    /// <code>
    /// p = m p0 + sum over k of w_k (p0 - p_k)
    /// </code>
    /// with p0 its conditional prediction and p_k that of branch k. Weights come in plain: m = 1, w_1 = s - 1 for the scale s (w_1 = s in the original
    /// formulation, which starts at the conditional prediction), and are changed to those of <see cref="GuidanceWeightsOptions.Kind"/>, all on branch 1:
    /// <code>
    /// ZeroStar      a = p0.p1 / (|p1|^2 + 1e-8);       m += w_1 (1 - a);        w_1 = a w_1        (CFG-Zero*, arXiv 2503.18886)
    /// Tangential    q = c0 p0 + c1 p1, the part of p1 along the first right singular vector of the rows p0 and p1
    ///                                                  m += w_1 (1 - c0 - c1);  w_1 = c1 w_1       (TCFG, arXiv 2503.18137)
    /// Magnitude     r = |p0 - p1| / |p1|;              w_1 = w_1 e^(-alpha r), 0 if p1 = 0         (MAMBO-G, arXiv 2508.03442)
    /// ProjectedApg  D = p0 - p1, c = min(1, threshold / |D|), kappa = D.p0 / max(|p0|, 1e-12)^2
    ///                                                  m += s c (eta - 1) kappa; w_1 = s c - 1, or s c if original (APG, arXiv 2410.02416)
    /// </code>
    /// Then m and every w_k are multiplied by f = rescale std(p0) / std(p) + 1 - rescale (Lin et al., arXiv 2305.08891), except where std(p) = 0.
    /// A branch without row, or with weight 0, does not exist; where branch 1 does not, nothing of its kind happens. Sums are over the sample, in double.
    /// </summary>
    /// <param name="options">What to do.</param>
    /// <param name="prediction">[R,...,C], or [R,...,2C] of which the first C channels count; row n is the conditional prediction of sample n.</param>
    /// <param name="branchRow">[N,K] int32 bits: row of the prediction of each sample and branch, -1 for none. K is 1 to 4.</param>
    /// <param name="channels">C.</param>
    /// <param name="weight">[N,1+K]: m, w_1 to w_K; updated.</param>
    /// <exception cref="ArgumentException">An option is out of its range, or a row (on a device whose memory the host does not see, the sample's m
    /// becomes NaN instead).</exception>
    internal void GuidanceWeights(in GuidanceWeightsOptions options, TensorView prediction, TensorView branchRow, int channels, TensorView weight);
}
