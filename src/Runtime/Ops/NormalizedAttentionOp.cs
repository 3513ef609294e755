using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Normalised attention guidance (NAG; Chen et al., arXiv 2505.21179), for networks with cross-attention, or the image tokens of joint attention: both branches go on with
    /// it in place of their own outputs; see <see cref="IKernels.NormalizedAttention"/>. It has no gradient: it steers sampling.
    /// </summary>
    /// <param name="positive">Outputs of the attention by the condition, heads side by side, before the output projection, [N, T, C].</param>
    /// <param name="negative">Those by the negative condition; the same shape.</param>
    /// <param name="scale">phi, finite; at 1 and below nothing is guided, and the result is <paramref name="positive"/>.</param>
    /// <param name="tau">Greatest length of a guided token, in its own lengths; above 0.</param>
    /// <param name="alpha">Share of the guided output, 0 to 1.</param>
    /// <exception cref="ArgumentException">Shapes differ, or a number is out of its range.</exception>
    public Tensor NormalizedAttention(Tensor positive, Tensor negative, double scale, double tau = 2.5, double alpha = 0.25)
    {
        if (positive.Shape.Rank < 2 || positive.Shape != negative.Shape) throw new ArgumentException($"NormalizedAttention takes tokens [N,T,C] of two conditions; got {positive} and {negative}.");
        if (!double.IsFinite(scale)) throw new ArgumentException($"The scale of normalised attention guidance is finite; got {scale}.");
        if (!(tau > 0)) throw new ArgumentException($"The greatest length of normalised attention guidance, tau, is above 0; got {tau}.");
        if (!(alpha is >= 0 and <= 1)) throw new ArgumentException($"The share of normalised attention guidance, alpha, is 0 to 1; got {alpha}.");
        if (scale <= 1) return positive;
        var y = Temporary(positive.Shape, "guidedAttention");
        Record(nameof(IKernels.NormalizedAttention), [positive, negative], [y],
            k => k.NormalizedAttention(positive.View, negative.View, (float)scale, (float)tau, (float)alpha, y.View), 10.0 * y.Count);
        RefuseGradient(nameof(NormalizedAttention), [positive, negative], y);
        return y;
    }
}
