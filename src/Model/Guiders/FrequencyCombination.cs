using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Frequency-decoupled guidance (FDG; Sadat et al., arXiv 2506.19713): a guidance scale for each band of frequencies (<see cref="PlanBuilder.FrequencyGuidance"/>). The
/// scales take the place of the first branch's strength, which only says where it is on.
/// </summary>
public sealed class FrequencyCombination : Combination
{
    private readonly FrequencyGuidanceOptions _options;

    /// <summary>A combination.</summary>
    /// <param name="bands">The bands, the finest first; published are scales 10 and 5.</param>
    /// <param name="rescaleBands">Whether each band is rescaled by its own share; else the whole prediction, by that of the first.</param>
    public FrequencyCombination(IReadOnlyList<FrequencyBand>? bands = null, bool rescaleBands = false) =>
        _options = new FrequencyGuidanceOptions { Bands = bands ?? [new FrequencyBand(10), new FrequencyBand(5)], RescaleBands = rescaleBands };

    /// <inheritdoc/>
    public override string Name => "fdg";

    /// <inheritdoc/>
    public override void Require(DiffusionModel model) => _options.Require(model.Network.Config.ImageSize, model.Network.Config.ImageSize);

    /// <inheritdoc/>
    public override void Record(PlanBuilder b, CombinationInputs inputs) => b.FrequencyGuidance(
        _options with { GuidedChannels = inputs.GuidedChannels }, inputs.Prediction, inputs.BranchRow, inputs.Channels, inputs.Weight);
}
