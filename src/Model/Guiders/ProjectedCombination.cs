using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Adaptive projected guidance with momentum (APG; Sadat et al., arXiv 2410.02416): the difference of the predictions, averaged over steps, limited in size, and its
/// part along the conditional prediction damped (<see cref="IKernels.ProjectedGuidance"/>). Without momentum <see cref="ReweightedCombination.Projected"/> is the same.
/// </summary>
public sealed class ProjectedCombination : Combination
{
    private readonly ProjectedGuidanceOptions _options;

    /// <summary>A combination.</summary>
    /// <param name="momentum">Share of the running difference that is kept; published is -0.5.</param>
    /// <param name="threshold">Greatest norm of the difference; 0 for no limit.</param>
    /// <param name="eta">Share of the parallel part that is kept.</param>
    /// <param name="phi">Rescale, 0 to 1.</param>
    /// <param name="perChannel">Whether norms and directions are those of each channel, and not of the whole prediction.</param>
    /// <exception cref="ArgumentException">A number is out of its range.</exception>
    public ProjectedCombination(double momentum = -0.5, double threshold = 15, double eta = 0, double phi = 0, bool perChannel = false)
    {
        _options = new ProjectedGuidanceOptions { Momentum = (float)momentum, Threshold = (float)threshold, Eta = (float)eta, Rescale = (float)phi, PerChannel = perChannel };
        _options.Require(channels: 1);
    }

    /// <inheritdoc/>
    public override string Name => "apg-momentum";

    /// <inheritdoc/>
    public override bool KeepsMemory => true;

    /// <inheritdoc/>
    public override void Record(PlanBuilder b, CombinationInputs inputs) => b.ProjectedGuidance(
        new Slot<ProjectedGuidanceOptions>(_options with { GuidedChannels = inputs.GuidedChannels }), inputs.Prediction, inputs.BranchRow, inputs.Channels, inputs.Weight,
        inputs.Memory);
}
