namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = x / |x| over the last dimension, |x| its Euclidean norm. A row of zeros becomes NaN. y may be x.</summary>
    internal void L2NormalizeForward(TensorView x, TensorView y);

    /// <summary>dx = (dy - y (y . dy)) / |x| with y = x / |x|. dx may be dy when it does not accumulate.</summary>
    internal void L2NormalizeBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate);
}
