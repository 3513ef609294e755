namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = x sigmoid(1.702 x), the approximation of GELU of Hendrycks and Gimpel, arXiv 1606.08415, that CLIP uses. y may be x.</summary>
    internal void QuickGeluForward(TensorView x, TensorView y);

    /// <summary>dx = dy s (1 + 1.702 x (1 - s)) with s = sigmoid(1.702 x). dx may be dy when it does not accumulate.</summary>
    internal void QuickGeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
