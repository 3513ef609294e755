namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y = x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3))), the tanh form of Hendrycks and Gimpel, arXiv 1606.08415. y may be x.
    /// </summary>
    internal void GeluForward(TensorView x, TensorView y);

    /// <summary>dx = dy * dy/dx of <see cref="GeluForward"/>. dx may be dy when it does not accumulate.</summary>
    internal void GeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
