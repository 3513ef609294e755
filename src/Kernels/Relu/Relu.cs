namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = max(x, 0). y may be x.</summary>
    internal void ReluForward(TensorView x, TensorView y);

    /// <summary>dx = dy where x &gt; 0, else 0. dx may be dy when it does not accumulate.</summary>
    internal void ReluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
