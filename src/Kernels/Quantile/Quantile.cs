namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// limit[n] = the quantile of |x[n]| over the sample, clamped to [1, most]: the bound of a dynamic threshold (Saharia et al., arXiv 2205.11487). Of
    /// L magnitudes in ascending order, the one at place quantile (L - 1), places from 0, linear between two. NaN if the sample has one.
    /// </summary>
    /// <param name="x">[N,...].</param>
    /// <param name="quantile">0 to 1.</param>
    /// <param name="most">Greatest limit, at least 1; may be infinite.</param>
    /// <param name="limit">[N], written.</param>
    internal void Quantile(TensorView x, double quantile, float most, TensorView limit);
}
