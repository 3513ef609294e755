namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>
    /// Square patches as tokens (Dosovitskiy et al., arXiv 2010.11929): tokens[n, (i/p)(W/p) + j/p, ((i mod p) p + j mod p) C + c] = image[n,i,j,c].
    /// With the weight [Cout, p, p, C] of a convolution of stride p seen as a matrix, a linear layer of the tokens is that convolution.
    /// </summary>
    /// <param name="image">[N,H,W,C].</param>
    /// <param name="patch">p; divides H and W.</param>
    /// <param name="tokens">[N, HW/p^2, p^2 C], written.</param>
    /// <param name="accumulate">Whether tokens is added to.</param>
    internal void Patchify(TensorView image, int patch, TensorView tokens, bool accumulate);

    /// <summary>The inverse of <see cref="Patchify"/>, and its gradient, as that is the gradient of this.</summary>
    internal void Unpatchify(TensorView tokens, int patch, TensorView image, bool accumulate);
}
