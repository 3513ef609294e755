namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Number of floats of the packed weights of one pass, without the batch: the layout depends on the device, its instruction set and the
    /// algorithm that the shape selects. 0: the pass reads the weights as they are, and takes these in place of packed ones.
    /// </summary>
    internal long Conv2dPackedLength(in Conv2dShape shape, Conv2dPass pass);

    /// <summary>
    /// Rearranges (and, for Winograd's algorithm, transforms) <paramref name="weight"/>[Cout,Kh,Kw,Cin] into <paramref name="packed"/>, once per
    /// update of the weights; only where <see cref="Conv2dPackedLength"/> is not 0.
    /// </summary>
    internal void Conv2dPack(in Conv2dShape shape, Conv2dPass pass, TensorView weight, TensorView packed);

    /// <summary>
    /// y[n,i,j,k] = act(sum over a,b,c of w[k,a,b,c] u[n, i s + a - p, j s + b - p, c] + bias[k] + embedding[n,k] + residual[n,i,j,k]), where s is
    /// the stride, p the padding with zeros and u the virtual input [N,H,W,Cin] that <paramref name="input"/> describes. <paramref name="y"/> may
    /// be the residual.
    /// </summary>
    internal void Conv2dForward(in Conv2dShape shape, in Conv2dInput input, TensorView packed, in Conv2dEpilogue epilogue, TensorView y);

    /// <summary>
    /// du[n,y,x,c] = sum over k and all a,b with i s + a - p = y, j s + b - p = x of w[k,a,b,c] dy[n,i,j,k]: the gradient towards the virtual
    /// input. <paramref name="packed"/> was packed for <see cref="Conv2dPass.InputGrad"/>. With <paramref name="through"/> the whole, what was there
    /// included, is multiplied by an activation's derivative.
    /// </summary>
    internal void Conv2dInputGrad(
        in Conv2dShape shape, TensorView dy, TensorView packed, TensorView du, bool accumulate, in ActivationGradient through = default);

    /// <summary>Number of floats of workspace that <see cref="Conv2dWeightGrad"/> needs.</summary>
    internal long Conv2dWeightGradWorkspace(in Conv2dShape shape);

    /// <summary>dw[k,a,b,c] = sum over n,i,j of dy[n,i,j,k] u[n, i s + a - p, j s + b - p, c], u the virtual input.</summary>
    internal void Conv2dWeightGrad(in Conv2dShape shape, in Conv2dInput input, TensorView dy, TensorView workspace, TensorView dw, bool accumulate);

    /// <summary>The algorithm that a shape selects, in words, for reports.</summary>
    internal string Conv2dAlgorithm(in Conv2dShape shape, Conv2dPass pass);

    /// <summary>The algorithm of <see cref="Conv2dWeightGrad"/> that a shape selects, in words, for reports.</summary>
    internal string Conv2dWeightGradAlgorithm(in Conv2dShape shape);

    /// <summary>db[k] = sum over n,i,j of <paramref name="dy"/>[n,i,j,k].</summary>
    internal void Conv2dBiasGrad(TensorView dy, TensorView db, bool accumulate);
}
