namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = tanh(x). y may be x.</summary>
    internal void TanhForward(TensorView x, TensorView y);

    /// <summary>dx = dy (1 - tanh(x)^2). dx may be dy when it does not accumulate.</summary>
    internal void TanhBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
