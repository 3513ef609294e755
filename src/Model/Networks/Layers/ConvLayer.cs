using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>A convolution of images [N, H, W, From].</summary>
/// <param name="Name">Key prefix: <c>Name.weight</c> and <c>Name.bias</c>.</param>
/// <param name="From">Channels read.</param>
/// <param name="To">Channels written.</param>
/// <param name="Kernel">Height and width of the kernel.</param>
internal sealed record ConvLayer(string Name, int From, int To, int Kernel)
{
    public bool Bias { get; init; } = true;

    public int Stride { get; init; } = 1;

    /// <summary>Zero pixels around the image; half the kernel when left out.</summary>
    public int? Padding { get; init; }

    /// <summary>Zero pixels below and to the right; <see cref="Padding"/> when left out.</summary>
    public int? EndPadding { get; init; }

    public LayerInit Init { get; init; }

    /// <summary>Extents of the weight in published files: fewer than 4 where a kernel of 1 is published as a convolution over tokens (3) or a linear layer (2).</summary>
    public int PublishedRank { get; init; } = 4;

    public void Declare(Parameters parameters)
    {
        int taps = Kernel * Kernel;
        int[] published = [To, From, Kernel, Kernel];
        parameters.Add(Name + ".weight", new Shape(To, Kernel, Kernel, From), Init.Weight(From * taps, To * taps), published[..PublishedRank]);
        if (Bias) parameters.Add(Name + ".bias", new Shape(To), Init.Bias(From * taps));
    }

    /// <summary>Records the convolution.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="x">[N, H, W, From].</param>
    /// <param name="embedding">[N, To], added to every pixel; null for none.</param>
    /// <param name="residual">A tensor of the result's shape that is added to it; null for none.</param>
    /// <param name="norm">A normalisation of x on its way in (<see cref="GroupNormLayer.OnTheWayIn"/>); null for none.</param>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor? embedding = null, Tensor? residual = null, Conv2dNorm? norm = null) =>
        b.Conv2d(x, b.Parameter(Name + ".weight"), Bias ? b.Parameter(Name + ".bias") : null,
            new Conv2dOptions { Stride = Stride, Padding = Padding, EndPadding = EndPadding, Embedding = embedding, Residual = residual, Norm = norm });
}
