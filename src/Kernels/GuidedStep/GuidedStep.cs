namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// One step of any sampler with guidance, for N samples, in one pass. For each element, with p0 the conditional prediction of its sample, p1 to pK
    /// those of its branches (the null label, a weaker model, a perturbed pass), m and w1 to wK the sample's weights and n standard normal noise:
    /// <code>
    /// g   = m p0 + w1 (p0 - p1) + ... + wK (p0 - pK)
    /// x   = XFromZ z + XFromG g                         clamped to [ClipLow, ClipHigh] if Clip; with a limit q to [-q, q], and divided by q
    /// x  += XFromShift shift                            and clamped here in place of before if ClipAfterShift
    /// y   = A z + B x + E g + F p1 + P h1 + P2 h2 + P3 h3 + Q s + d n + (YFromShift + YFromVariance d^2) shift
    /// h3' = h2, h2' = h1                                                   the first if ShiftHistories is 2, the second if it is 1 or 2
    /// h1' = HistoryFromZ z + HistoryFromX x + HistoryFromP1 p1             if StoreHistory
    /// s'  = z                                                              if StoreState
    /// </code>
    /// Classifier-free guidance (Ho and Salimans, arXiv 2207.12598) has m = 1 and w1 = w for the null label. d is C; with LearnedVariance it is
    /// exp((f LogVarMax + (1 - f) LogVarMin) / 2), f = (nu + 1) / 2, with nu the second half of the conditional prediction's channels (Nichol and
    /// Dhariwal, arXiv 2102.09672). A branch of weight 0 or without a row is not read; with m = 1 and no branch g = p0 to the bit. The
    /// channels from <see cref="GuidedStepRow.GuidedChannels"/> on, if that is not 0, have g = p0. A NaN in a prediction reaches y, clipped or not.
    /// </summary>
    /// <remarks>
    /// What needs sums over a sample first (rescale, projections, dynamic threshold) comes before as passes of their own, which read the same prediction and
    /// write m and w (GuidanceWeights) or q (Quantile).
    /// </remarks>
    /// <param name="row">The coefficients.</param>
    /// <param name="seed">Seed of the noise, which is <see cref="Philox.Normal"/>(seed, sampleIndex[b], row.StepIndex,
    /// <see cref="RandomStream.StepNoise"/>, e).</param>
    /// <param name="tensors">What the step reads and writes.</param>
    /// <exception cref="ArgumentException">The row needs a tensor or variance channels that are not there, or a branch's row is out of
    /// range (on a device whose memory the host does not see, the sample then becomes NaN instead).</exception>
    internal void GuidedStep(in GuidedStepRow row, ulong seed, in GuidedStepTensors tensors);
}
