using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>y = x w^T + b over the innermost extent.</summary>
/// <param name="Name">Key prefix: <c>Name.weight</c> and <c>Name.bias</c>.</param>
/// <param name="From">Channels read.</param>
/// <param name="To">Channels written.</param>
internal sealed record LinearLayer(string Name, int From, int To)
{
    public bool Bias { get; init; } = true;

    public LayerInit Init { get; init; }

    /// <summary>Extents of the weight in published files: 2 for a linear layer, 3 or 4 where it is published as a convolution with a kernel of 1.</summary>
    public int PublishedRank { get; init; } = 2;

    public void Declare(Parameters parameters)
    {
        int[] published = [To, From, 1, 1];
        parameters.Add(Name + ".weight", new Shape(To, From), Init.Weight(From, To), published[..PublishedRank]);
        if (Bias) parameters.Add(Name + ".bias", new Shape(To), Init.Bias(From));
    }

    public Tensor Record(PlanBuilder b, Tensor x) => b.Linear(x, b.Parameter(Name + ".weight"), Bias ? b.Parameter(Name + ".bias") : null);
}
