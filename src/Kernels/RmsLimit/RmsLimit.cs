namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[n] = x[n] / max(1, rms(x[n])), the root of the mean square over the sample, in double: what a classifier of clean images is given of a noisy one
    /// (EluCD for EDM, arXiv 2310.11311). y may be x.
    /// </summary>
    /// <param name="x">[N,...].</param>
    /// <param name="y">The shape of x, written.</param>
    internal void RmsLimit(TensorView x, TensorView y);
}
