namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// shift[n] = weight[n] q[n] gradient[n], or shift += that, with q[n] = rms(reference[n]) / rms(gradient[n]), or 1 without reference: a gradient brought
    /// to the size of its sample (EluCD, arXiv 2310.11311). rms is the root of the mean square over a sample, in double; a gradient of zeros shifts by 0.
    /// </summary>
    /// <param name="gradient">[N,...].</param>
    /// <param name="reference">The shape of gradient, or left out.</param>
    /// <param name="weight">[N].</param>
    /// <param name="shift">The shape of gradient, written or added to.</param>
    /// <param name="accumulate">Whether shift is added to.</param>
    internal void GuidanceShift(TensorView gradient, TensorView reference, TensorView weight, TensorView shift, bool accumulate);
}
