using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>A network that can be recorded with some rows of the batch perturbed: what PAG, SLG and SEG need of it.</summary>
public interface IPerturbableNetwork : IDiffusionNetwork
{
    /// <summary>Blocks that can be perturbed; 0 when there is none.</summary>
    int PerturbableBlocks { get; }

    /// <summary>Records the network as <see cref="IDiffusionNetwork.Record"/> does, for prediction, with the last rows of the batch perturbed.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="x">Images (or latents) [N, S, S, InChannels].</param>
    /// <param name="timesteps">[N].</param>
    /// <param name="labels">[N] as int32 bit patterns; null exactly when the network is unconditional.</param>
    /// <param name="perturbation">What is perturbed; null for nothing.</param>
    /// <returns>The prediction [N, S, S, OutChannels].</returns>
    /// <exception cref="ArgumentException">A shape does not fit the configuration, or the network cannot be perturbed like this.</exception>
    Tensor Record(PlanBuilder b, Tensor x, Tensor timesteps, Tensor? labels, Perturbation? perturbation);
}
