using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>Tokens blurred as a square image, every channel alone, by a Gaussian; see <see cref="ResampleTable.Gaussian"/>.</summary>
    /// <param name="x">[N, T, C] with T a square.</param>
    /// <param name="sigma">Standard deviation in tokens, above 0; the mean over all of them above 9999.</param>
    /// <exception cref="ArgumentException">The number of tokens is not a square.</exception>
    /// <exception cref="ArgumentOutOfRangeException">sigma is not above 0.</exception>
    public Tensor BlurTokens(Tensor x, double sigma)
    {
        int size = x.Shape.Rank == 3 ? (int)Math.Round(Math.Sqrt(x.Shape[1])) : 0;
        if (size == 0 || size * size != x.Shape[1])
            throw new ArgumentException($"BlurTokens takes the tokens of a square image [N, T, C], T = n n; got {x}.");
        var table = ResampleTable.Gaussian(size, sigma);
        return Reshape(Resize(Reshape(x, new Shape(x.Shape[0], size, size, x.Shape[2])), table, table), x.Shape);
    }
}
