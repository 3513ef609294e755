namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,k] = 1 where labels[n] = k, else 0: a row of zeros for a label that is not among 0 to K - 1, such as the null class.</summary>
    /// <param name="labels">[N] int32 bit patterns.</param>
    /// <param name="y">[N,K], written.</param>
    internal void OneHot(TensorView labels, TensorView y);
}
