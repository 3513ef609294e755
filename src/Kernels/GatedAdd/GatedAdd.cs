namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,...,c] = x[n,...,c] + gate[n,c] h[n,...,c]: a residual branch with a gate for each batch row and channel. y may be x or h.</summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="gate">[N,C].</param>
    /// <param name="h">The shape of x.</param>
    /// <param name="y">The shape of x, written.</param>
    internal void GatedAddForward(TensorView x, TensorView gate, TensorView h, TensorView y);

    /// <summary>
    /// dh = dy gate, and dgate[n,c] = sum over positions of dy h, in ascending order; x has dy itself. Each output may be empty and is added to
    /// if its own flag says so.
    /// </summary>
    internal void GatedAddBackward(TensorView gate, TensorView h, TensorView dy, TensorView dh, bool accumulateDh, TensorView dgate, bool accumulateDgate);
}
