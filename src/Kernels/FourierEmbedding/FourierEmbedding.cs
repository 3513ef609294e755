namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Random Fourier features of a time (Tancik et al., arXiv 2006.10739), cosines first: y[n,i] = cos(2 pi f_i t_n) and
    /// y[n,half+i] = sin(2 pi f_i t_n).
    /// </summary>
    /// <param name="t">[N].</param>
    /// <param name="frequencies">[half].</param>
    /// <param name="y">[N, 2 half], written.</param>
    internal void FourierEmbedding(TensorView t, TensorView frequencies, TensorView y);
}
