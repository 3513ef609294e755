namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,c] = mean of x[n,...,c] over the positions.</summary>
    void GlobalAveragePoolForward(TensorView x, TensorView y);

    /// <summary>dx[n,...,c] = dy[n,c] / positions.</summary>
    void GlobalAveragePoolBackward(TensorView dy, TensorView dx, bool accumulate);
}
