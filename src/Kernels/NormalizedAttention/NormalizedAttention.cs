namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Normalised attention guidance (NAG; Chen et al., arXiv 2505.21179) of each token: <c>g = phi p - (phi - 1) q</c> is shortened to tau times the length of p where it is
    /// longer, and <c>y = alpha g + (1 - alpha) p</c>. Lengths are Euclidean over the last dimension. Where p or g is zero, y is p. y may be p or q.
    /// </summary>
    /// <param name="positive">p, outputs of an attention by the condition, its heads side by side, before the output projection, [N, T, C].</param>
    /// <param name="negative">q, those by the negative condition; the same shape.</param>
    /// <param name="phi">Scale, above 1.</param>
    /// <param name="tau">Greatest length, in lengths of p.</param>
    /// <param name="alpha">Share of the guided output.</param>
    /// <param name="y">The shape of p, written.</param>
    internal void NormalizedAttention(TensorView positive, TensorView negative, float phi, float tau, float alpha, TensorView y);
}
