namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// The term of the variational bound that trains a learned variance (Nichol and Dhariwal, arXiv 2102.09672, eq. 12 to 16), in bits per
    /// element: rowLoss[n] is the mean over row n, and loss the mean over the rows of rowWeight[n] rowLoss[n]. With the clean sample
    /// x = XFromZ z + XFromG g and the log-variance lv = f LogVarMax + (1 - f) LogVarMin, f = (nu + 1) / 2, an element has
    /// <code>
    /// Last = 0: KL(true posterior | model) = (f d - 1 + exp(-f d) (1 + (CoefX0 (x0 - x))^2 exp(-LogVarMin))) / 2, d = LogVarMax - LogVarMin
    /// Last = 1: -log of the mass that N(x, e^lv) has within 1/255 of x0 (beyond, where |x0| above 0.999), at least 1e-12,
    ///           with the distribution function (1 + tanh(sqrt(2/pi) (y + 0.044715 y^3))) / 2
    /// </code>
    /// divided by ln 2. Only nu is trained by it: g counts as given.
    /// </summary>
    /// <param name="prediction">[N,...,2C]: g, then nu.</param>
    /// <param name="z">[N,...,C], the noisy sample.</param>
    /// <param name="x0">[N,...,C], the clean one.</param>
    /// <param name="rows">[N,6]: XFromZ, XFromG, CoefX0, LogVarMin, LogVarMax, Last (0 or 1).</param>
    /// <param name="rowWeight">[N], or empty for 1.</param>
    /// <param name="rowLoss">[N], written, without the weights.</param>
    /// <param name="loss">[1], written.</param>
    internal void VariationalBoundForward(
        TensorView prediction, TensorView z, TensorView x0, TensorView rows, TensorView rowWeight, TensorView rowLoss, TensorView loss);

    /// <summary>dprediction = dloss times the derivative of the loss by nu, 0 for g.</summary>
    /// <param name="prediction">As in the forward call.</param>
    /// <param name="z">As in the forward call.</param>
    /// <param name="x0">As in the forward call.</param>
    /// <param name="rows">As in the forward call.</param>
    /// <param name="rowWeight">As in the forward call.</param>
    /// <param name="dloss">[1].</param>
    /// <param name="dprediction">The shape of prediction.</param>
    /// <param name="accumulate">Whether dprediction is added to.</param>
    internal void VariationalBoundBackward(
        TensorView prediction, TensorView z, TensorView x0, TensorView rows, TensorView rowWeight, TensorView dloss, TensorView dprediction, bool accumulate);
}
