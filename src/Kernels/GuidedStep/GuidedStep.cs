namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// One step of any sampler with classifier-free guidance (Ho and Salimans, arXiv 2207.12598), for N samples, in one pass. For each
    /// element, with ec the
    /// conditional and e0 the null prediction of its sample, s the sample's guidance scale (s = 1 + w) and n standard normal noise:
    /// <code>
    /// g   = e0 + s (ec - e0)
    /// x   = XFromZ z + XFromG g                         clamped to [ClipLow, ClipHigh] if Clip
    /// y   = A z + B x + E g + P h1 + Q h2 + C n
    /// h1' = HistoryFromZ z + HistoryFromX x             if StoreHistory
    /// h2' = z                                           if StoreState
    /// </code>
    /// With LearnedVariance, C is exp((f LogVarMax + (1 - f) LogVarMin) / 2), f = (nu + 1) / 2, with nu the second half of the conditional
    /// prediction's channels (Nichol and Dhariwal, arXiv 2102.09672). A sample without a null half, or whose scale is exactly 1, has g =
    /// ec to the bit. The channels from <see cref="GuidedStepRow.GuidedChannels"/> on, if that is not 0, have g = ec. A NaN in
    /// a prediction reaches y, clipped or not.
    /// </summary>
    /// <remarks>
    /// What needs sums over a sample first (guidance rescale, dynamic threshold, APG) is a pass of its own before this one, to be added
    /// when a guider needs it:
    /// it reads the same prediction and writes a few numbers per sample, which this pass would read beside the scale.
    /// </remarks>
    /// <param name="row">The coefficients.</param>
    /// <param name="seed">Seed of the noise, which is <see cref="Philox.Normal"/>(seed, sampleIndex[b], row.StepIndex,
    /// <see cref="RandomStream.StepNoise"/>, e).</param>
    /// <param name="tensors">What the step reads and writes.</param>
    /// <exception cref="ArgumentException">The row needs a history or variance channels that are not there, or a null row is out of
    /// range (on a device whose memory the host does not see, the sample then becomes NaN instead).</exception>
    void GuidedStep(in GuidedStepRow row, ulong seed, in GuidedStepTensors tensors);
}
