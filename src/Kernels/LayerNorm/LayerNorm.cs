namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// y = (x - mean) * rstd * gamma + beta, with mean and biased variance over the last dimension and rstd = 1 / sqrt(variance + epsilon)
    /// (Ba et al., arXiv 1607.06450). Modulated, gamma and beta are [N,C], a pair of vectors for each batch row, and 1 + gamma stands in place of
    /// gamma (Peebles and Xie, arXiv 2212.09748). y may be x.
    /// </summary>
    /// <param name="x">[...,C], or [N,...,C] where modulated.</param>
    /// <param name="gamma">[C], or empty for 1; [N,C].</param>
    /// <param name="beta">[C], or empty for 0; [N,C].</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="y">The shape of x, written.</param>
    internal void LayerNormForward(TensorView x, TensorView gamma, TensorView beta, double epsilon, TensorView y);

    /// <summary>
    /// dx = rstd * (g - mean(g) - xhat * mean(g * xhat)) with g = dy * gamma, or dy * (1 + gamma), and xhat = (x - mean) * rstd; dgamma = sum of
    /// dy * xhat and dbeta = sum of dy over all positions, or over those of each batch row where modulated. Each output may be empty and is added to if its own flag says so. Mean and rstd are computed
    /// again. dx may be dy when it does not accumulate.
    /// </summary>
    /// <param name="x">[...,C].</param>
    /// <param name="gamma">As in the forward pass.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="dy">The shape of x.</param>
    /// <param name="dx">The shape of x, or empty.</param>
    /// <param name="accumulateDx">Whether dx is added to.</param>
    /// <param name="dgamma">The shape of gamma, or empty.</param>
    /// <param name="accumulateDgamma">Whether dgamma is added to.</param>
    /// <param name="dbeta">The shape of beta, or empty.</param>
    /// <param name="accumulateDbeta">Whether dbeta is added to.</param>
    /// <param name="workspace">
    /// <see cref="LayerNormBackwardWorkspace"/> elements, contents undefined before and after; may be empty if dgamma and dbeta are.
    /// </param>
    internal void LayerNormBackward(
        TensorView x, TensorView gamma, double epsilon, TensorView dy, TensorView dx, bool accumulateDx, TensorView dgamma,
        bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta, TensorView workspace);

    /// <summary>Elements of the workspace of <see cref="LayerNormBackward"/> for an x of that shape.</summary>
    internal long LayerNormBackwardWorkspace(Shape x, bool modulated);
}
