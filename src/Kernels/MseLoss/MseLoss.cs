namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// rowLoss[n] = mean of (prediction - target)^2 over row n, and loss = sum of rowWeight[n] * rowLoss[n] / N: the simple loss of Ho et
    /// al., arXiv 2006.11239, eq. 14, with a weight per sample. Sums are kept in double.
    /// </summary>
    /// <param name="prediction">[N,...,Cp]; Cp may exceed C (learned variances), and then only the first C channels are compared.</param>
    /// <param name="target">[N,...,C].</param>
    /// <param name="rowWeight">[N], or empty for 1.</param>
    /// <param name="rowLoss">[N], written, without the weights.</param>
    /// <param name="loss">[1], written.</param>
    internal void MseLossForward(TensorView prediction, TensorView target, TensorView rowWeight, TensorView rowLoss, TensorView loss);

    /// <summary>
    /// dprediction = dloss * rowWeight[n] * 2 (prediction - target) / (N * elements of a row of target), 0 in the channels that are not
    /// compared.
    /// </summary>
    /// <param name="prediction">As in the forward call.</param>
    /// <param name="target">As in the forward call.</param>
    /// <param name="rowWeight">As in the forward call.</param>
    /// <param name="dloss">[1].</param>
    /// <param name="dprediction">The shape of prediction.</param>
    /// <param name="accumulate">Whether dprediction is added to.</param>
    internal void MseLossBackward(
        TensorView prediction, TensorView target, TensorView rowWeight, TensorView dloss, TensorView dprediction, bool accumulate);
}
