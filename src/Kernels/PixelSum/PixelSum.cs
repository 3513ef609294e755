namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y[n,c] = sum over pixels of x[n,h,w,c]: the gradient of a vector per image and channel that was added to every pixel.
    /// </summary>
    internal void PixelSum(TensorView x, TensorView y, bool accumulate);
}
