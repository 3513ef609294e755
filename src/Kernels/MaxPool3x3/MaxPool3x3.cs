namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[n,i,j,c] = the largest x[n,s i+a-p,s j+b-p,c] over a, b = 0..2 inside the image (3 x 3 windows, stride s, padding p), and
    /// taps[n,i,j,c] = 3 a + b of the first such element in row order, as a float. Which of a NaN and a number wins is not defined.
    /// y and taps are [N,(H+2p-3)/s+1,(W+2p-3)/s+1,C].
    /// </summary>
    /// <param name="x">[N,H,W,C].</param>
    /// <param name="stride">1 or 2.</param>
    /// <param name="padding">0 or 1.</param>
    /// <param name="y">The maxima.</param>
    /// <param name="taps">Where they are.</param>
    internal void MaxPool3x3Forward(TensorView x, int stride, int padding, TensorView y, TensorView taps);

    /// <summary>dx = each element's dy summed over the windows whose maximum it is, by <paramref name="taps"/>.</summary>
    internal void MaxPool3x3Backward(TensorView dy, TensorView taps, int stride, int padding, TensorView dx, bool accumulate);
}
