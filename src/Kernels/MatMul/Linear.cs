namespace NativeDiffusion.Kernels;

/// <content>Linear layers. All leading extents of x and y are rows: x is seen as [M, K] and y as [M, Nout]; weight is [Nout, K].</content>
public partial interface IKernels
{
    /// <summary>y[m,n] = sum over k of x[m,k] weight[n,k], plus bias[n]. The sum runs over k in ascending order, whatever M is.</summary>
    /// <param name="x">[..., K].</param>
    /// <param name="weight">[Nout, K].</param>
    /// <param name="bias">[Nout], or the empty view for none.</param>
    /// <param name="y">[..., Nout].</param>
    internal void LinearForward(TensorView x, TensorView weight, TensorView bias, TensorView y);

    /// <summary>Gradient of <see cref="LinearForward"/> for its input: dx[m,k] = sum over n of dy[m,n] weight[n,k].</summary>
    internal void LinearInputGrad(TensorView dy, TensorView weight, TensorView dx, bool accumulate);

    /// <summary>Gradient of <see cref="LinearForward"/> for its weight: dw[n,k] = sum over rows m, ascending, of dy[m,n] x[m,k].</summary>
    internal void LinearWeightGrad(TensorView x, TensorView dy, TensorView dw, bool accumulate);

    /// <summary>Gradient of <see cref="LinearForward"/> for its bias: db[n] = sum over rows m, ascending, of dy[m,n].</summary>
    internal void LinearBiasGrad(TensorView dy, TensorView db, bool accumulate);
}
