namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,...] = factor[n] x[n,...], or y += that. y may be x when it does not accumulate.</summary>
    /// <param name="x">[N,...].</param>
    /// <param name="factor">[N].</param>
    /// <param name="y">The shape of x, written or added to.</param>
    /// <param name="accumulate">Whether y is added to.</param>
    internal void ScaleRows(TensorView x, TensorView factor, TensorView y, bool accumulate);
}
