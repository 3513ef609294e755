namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,i] = x[n,i] + shared[i]: one tensor added to every batch row, such as the embedding of positions. y may be x.</summary>
    /// <param name="x">[N,...].</param>
    /// <param name="shared">As many elements as a batch row of x.</param>
    /// <param name="y">The shape of x, written.</param>
    internal void AddShared(TensorView x, TensorView shared, TensorView y);

    /// <summary>y[i] = sum over n, ascending, of x[n,i]: the gradient of what <see cref="AddShared"/> adds.</summary>
    internal void BatchSum(TensorView x, TensorView y, bool accumulate);
}
