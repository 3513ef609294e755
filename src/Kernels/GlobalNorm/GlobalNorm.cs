namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// result[0] = sqrt(sum over x^2), summed in double in an order that depends on the length only. NaN or infinite when an element is,
    /// which is how a
    /// trainer notices.
    /// </summary>
    internal void GlobalNorm(TensorView x, TensorView result);
}
