namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[n,i,j,c] = the largest x[n,2i+a-1,2j+b-1,c] over a, b = 0..2 inside the image (3 x 3 windows, stride 2, padding 1), and
    /// taps[n,i,j,c] = 3 a + b of the first such element in row order, as a float. Which of a NaN and a number wins is not defined.
    /// y and taps are [N,(H+1)/2,(W+1)/2,C].
    /// </summary>
    internal void MaxPool3x3Forward(TensorView x, TensorView y, TensorView taps);

    /// <summary>dx = each element's dy summed over the windows whose maximum it is, by <paramref name="taps"/>.</summary>
    internal void MaxPool3x3Backward(TensorView dy, TensorView taps, TensorView dx, bool accumulate);
}
