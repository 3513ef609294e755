namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n] = a[n] where select[n] is not 0, else b[n], bit by bit. y may be a or b.</summary>
    /// <param name="select">int32 bits, [N].</param>
    /// <param name="a">[N,...].</param>
    /// <param name="b">The shape of a.</param>
    /// <param name="y">The shape of a, written.</param>
    internal void SelectRows(TensorView select, TensorView a, TensorView b, TensorView y);
}
