namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = x * sigmoid(x) (Hendrycks and Gimpel, arXiv 1606.08415; "swish"). y may be x.</summary>
    internal void SiluForward(TensorView x, TensorView y);

    /// <summary>dx = dy * sigmoid(x) * (1 + x * (1 - sigmoid(x))). dx may be dy when it does not accumulate.</summary>
    internal void SiluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
