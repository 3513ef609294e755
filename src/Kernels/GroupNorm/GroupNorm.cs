namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Mean and reciprocal standard deviation of every group of Wu and He, arXiv 1803.08494: over all positions of a batch row and the
    /// C/groups neighbouring channels of the group, rstd = 1 / sqrt(variance + epsilon), with the biased variance. Accurate also where the
    /// mean is much larger than the deviation.
    /// </summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="groups">Number of groups G; divides C.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="mean">[N,G], written.</param>
    /// <param name="rstd">[N,G], written.</param>
    internal void GroupNormStats(TensorView x, int groups, double epsilon, TensorView mean, TensorView rstd);

    /// <summary>
    /// y = act(u), u = ((x - mean) * rstd * gamma + beta) * (1 + scale) + shift, with act the identity or, if <paramref name="silu"/>,
    /// u * sigmoid(u). Scale and shift are those of Dhariwal and Nichol, arXiv 2105.05233, section 3 (adaptive group normalisation). y may
    /// be x.
    /// </summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="mean">[N,G] from <see cref="GroupNormStats"/>.</param>
    /// <param name="rstd">[N,G] from <see cref="GroupNormStats"/>.</param>
    /// <param name="gamma">[C].</param>
    /// <param name="beta">[C].</param>
    /// <param name="scaleShift">[N,2C], the scales first and then the shifts; or empty, for 0.</param>
    /// <param name="silu">Whether SiLU follows.</param>
    /// <param name="y">The shape of x, written.</param>
    internal void GroupNormForward(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu, TensorView y);

    /// <summary>
    /// The gradients of <see cref="GroupNormStats"/> and <see cref="GroupNormForward"/> together; the normalised values are computed
    /// again. With dz = dy * act'(u), xhat = (x - mean) * rstd, dxhat = dz * gamma * (1 + scale) and means over the group:
    /// dx = rstd * (dxhat - mean(dxhat) - xhat * mean(dxhat * xhat)); dgamma = sum of dz * xhat * (1 + scale) and dbeta = sum of
    /// dz * (1 + scale) over batch and positions; dscale = sum of dz * (xhat * gamma + beta) and dshift = sum of dz over positions.
    /// Every output may be empty, and each is added to if its own flag says so. dx may be dy when it does not accumulate.
    /// </summary>
    /// <param name="x">[N,...,C].</param>
    /// <param name="mean">[N,G].</param>
    /// <param name="rstd">[N,G].</param>
    /// <param name="gamma">[C].</param>
    /// <param name="beta">[C].</param>
    /// <param name="scaleShift">[N,2C] or empty.</param>
    /// <param name="silu">As in the forward call.</param>
    /// <param name="dy">The shape of x.</param>
    /// <param name="dx">The shape of x, or empty.</param>
    /// <param name="accumulateDx">Whether dx is added to.</param>
    /// <param name="dgamma">[C] or empty.</param>
    /// <param name="accumulateDgamma">Whether dgamma is added to.</param>
    /// <param name="dbeta">[C] or empty.</param>
    /// <param name="accumulateDbeta">Whether dbeta is added to.</param>
    /// <param name="dscaleShift">[N,2C] or empty.</param>
    /// <param name="accumulateDscaleShift">Whether dscaleShift is added to.</param>
    /// <param name="workspace"><see cref="GroupNormBackwardWorkspace"/> elements, contents undefined before and after.</param>
    internal void GroupNormBackward(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu, TensorView dy,
        TensorView dx, bool accumulateDx, TensorView dgamma, bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta,
        TensorView dscaleShift, bool accumulateDscaleShift, TensorView workspace);

    /// <summary>Elements of the workspace of <see cref="GroupNormBackward"/> for an x of that shape.</summary>
    internal long GroupNormBackwardWorkspace(Shape x, int groups);
}
