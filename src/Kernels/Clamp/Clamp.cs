namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = min(max(x, low), high). y may be x.</summary>
    internal void ClampForward(TensorView x, float low, float high, TensorView y);

    /// <summary>dx = dy where low &lt;= x &lt;= high, else 0. dx may be dy when it does not accumulate.</summary>
    internal void ClampBackward(TensorView x, TensorView dy, float low, float high, TensorView dx, bool accumulate);
}
