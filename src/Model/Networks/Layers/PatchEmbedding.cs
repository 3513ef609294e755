using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks.Layers;

/// <summary>A convolution whose kernel is a patch and whose stride is its size, as a linear layer of patches: images to tokens [N, T, To].</summary>
/// <param name="Name">Key prefix: <c>Name.weight</c> and <c>Name.bias</c>.</param>
/// <param name="From">Channels of the image.</param>
/// <param name="To">Channels of a token.</param>
/// <param name="Patch">Height and width of a patch.</param>
internal sealed record PatchEmbedding(string Name, int From, int To, int Patch)
{
    public bool Bias { get; init; } = true;

    public LayerInit Init { get; init; }

    private int PatchLength => Patch * Patch * From;

    public void Declare(Parameters parameters)
    {
        parameters.Add(Name + ".weight", new Shape(To, Patch, Patch, From), Init.Weight(PatchLength, To));
        if (Bias) parameters.Add(Name + ".bias", new Shape(To), Init.Bias(PatchLength));
    }

    public Tensor Record(PlanBuilder b, Tensor image) => b.Linear(
        b.Patchify(image, Patch), b.Reshape(b.Parameter(Name + ".weight"), new Shape(To, PatchLength)), Bias ? b.Parameter(Name + ".bias") : null);
}
