using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Networks.Layers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Networks;

/// <summary>
/// The networks of Karras et al. 2022 (EDM, arXiv 2206.00364), under their published parameter names: the raw network F, which a preconditioning
/// turns into a denoiser. They take time as the preconditioning says, and the class as a vector.
/// </summary>
public abstract class EdmUNet : IPerturbableNetwork
{
    private protected EdmUNet(EdmConfig config)
    {
        config.Validate();
        Config = config;
    }

    /// <summary>What it was made from.</summary>
    public EdmConfig Config { get; }

    INetworkConfig IDiffusionNetwork.Config => Config;

    /// <inheritdoc/>
    public abstract void Declare(Parameters parameters);

    /// <inheritdoc/>
    public int PerturbableBlocks => Body.Attentions.Count;

    private protected abstract EdmBody Body { get; }

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout = null) =>
        Record(b, x, timesteps, labels, dropout, null);

    /// <inheritdoc/>
    public Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, Perturbation? perturbation) =>
        Record(b, x, timesteps, labels, null, perturbation);

    private Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, DropoutSource? dropout, Perturbation? perturbation)
    {
        if ((labels is null) != (Config.LabelDim == 0))
            throw new ArgumentException(labels is null
                ? $"The network has {Config.LabelDim} classes and needs labels."
                : "The network is unconditional and takes no labels.");
        return RecordVectors(b, x, timesteps, labels is null ? null : b.OneHot(labels, Config.LabelDim), null, dropout, perturbation);
    }

    /// <summary>Records the network with classes as vectors.</summary>
    /// <param name="b">The plan; its parameters were declared by <see cref="Declare"/>.</param>
    /// <param name="x">Images [N, S, S, ImgChannels], scaled by the preconditioning.</param>
    /// <param name="noise">What the preconditioning says about the noise level, [N].</param>
    /// <param name="classes">[N, LabelDim]: one 1, or zeros for the null class; null exactly when the network is unconditional.</param>
    /// <param name="augmentation">[N, AugmentDim]; null for none.</param>
    /// <param name="dropout">Where dropout takes its random numbers from; may be null when the plan does not train.</param>
    /// <returns>F [N, S, S, OutChannels].</returns>
    /// <exception cref="ArgumentException">A shape does not fit the configuration.</exception>
    public Tensor RecordVectors(PlanBuilder b, Tensor x, Tensor noise, Tensor? classes, Tensor? augmentation = null, DropoutSource? dropout = null) =>
        RecordVectors(b, x, noise, classes, augmentation, dropout, null);

    private Tensor RecordVectors(
        PlanBuilder b, Tensor x, Tensor noise, Tensor? classes, Tensor? augmentation, DropoutSource? dropout, Perturbation? perturbation)
    {
        int size = Config.ImgResolution;
        if (x.Shape.Rank != 4 || x.Shape[1] != size || x.Shape[2] != size || x.Shape[3] != Config.ImgChannels)
            throw new ArgumentException($"The network takes images [N,{size},{size},{Config.ImgChannels}]; got {x}.");
        Check("classes", classes, Config.LabelDim, required: Config.LabelDim > 0);
        Check("augmentation", augmentation, Config.AugmentDim, required: false);
        b.Scope = "map";
        var embedding = RecordEmbedding(b, noise, classes, augmentation);
        b.Scope = "";
        var perturbed = BlockPerturbation.Of(perturbation, Body.Attentions, Body.MiddleAttention, x.Shape.Batch, transformer: false);
        return RecordBody(new BlockContext(b, embedding, dropout, perturbed), x);

        void Check(string what, Tensor? vectors, int length, bool required)
        {
            if (vectors is null ? required : length == 0 || vectors.Shape != new Shape(x.Shape.Batch, length))
                throw new ArgumentException($"The network takes {what} [{x.Shape.Batch},{length}]; got {vectors?.ToString() ?? "none"}.");
        }
    }

    private protected abstract Tensor RecordEmbedding(PlanBuilder b, Tensor noise, Tensor? classes, Tensor? augmentation);

    private protected abstract Tensor RecordBody(BlockContext context, Tensor x);
}
