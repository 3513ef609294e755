namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,c] = mean of x[n,...,c] over the positions.</summary>
    internal void GlobalAveragePoolForward(TensorView x, TensorView y);

    /// <summary>dx[n,...,c] = dy[n,c] / positions.</summary>
    internal void GlobalAveragePoolBackward(TensorView dy, TensorView dx, bool accumulate);
}
