namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y = log(1 + e^(beta x)) / beta, and so x where beta x &gt; 20: a smooth ReLU, which it becomes for a large beta. y may be x.
    /// </summary>
    internal void SoftplusForward(TensorView x, float beta, TensorView y);

    /// <summary>
    /// dx = dy * sigmoid(beta x), by the result: sigmoid(beta x) = 1 - e^(-beta y). dx may be dy when it does not accumulate.
    /// </summary>
    internal void SoftplusBackward(TensorView y, float beta, TensorView dy, TensorView dx, bool accumulate);
}
