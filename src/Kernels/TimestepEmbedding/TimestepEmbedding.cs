namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// The sinusoidal embedding of Ho et al., arXiv 2006.11239 (after Vaswani et al., arXiv 1706.03762), cosines first: with half = D / 2
    /// and f_i = maxPeriod^(-i / half), y[n,i] = cos(t_n f_i) and y[n,half+i] = sin(t_n f_i); the last column of an odd D is 0.
    /// </summary>
    /// <param name="t">[N], times; they need not be integers.</param>
    /// <param name="maxPeriod">2 pi times it is the longest wavelength.</param>
    /// <param name="y">[N,D], written.</param>
    internal void TimestepEmbedding(TensorView t, double maxPeriod, TensorView y);
}
