using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Frequency-decoupled guidance (FDG; Sadat et al., arXiv 2506.19713): a guidance scale for each band of frequencies (<see cref="PlanBuilder.FrequencyGuidance"/>). The
/// scales take the place of the first branch's strength, which only says where it is on.
/// </summary>
public sealed class FrequencyCombination : Combination
{
    private readonly FrequencyGuidanceOptions _options;
    private readonly IReadOnlyList<GuidanceInterval>? _when;

    /// <summary>A combination.</summary>
    /// <param name="bands">The bands, the finest first; published are scales 10 and 5.</param>
    /// <param name="rescaleBands">Whether each band is rescaled by its own share; else the whole prediction, by that of the first.</param>
    /// <param name="when">Where each band is guided: elsewhere it is that of the conditional prediction. Null for everywhere. Where no band is, the branch's own
    /// <see cref="Guider.When"/> spares its evaluation.</param>
    /// <exception cref="ArgumentException">There are not as many intervals as bands.</exception>
    public FrequencyCombination(IReadOnlyList<FrequencyBand>? bands = null, bool rescaleBands = false, IReadOnlyList<GuidanceInterval>? when = null)
    {
        _options = new FrequencyGuidanceOptions { Bands = bands ?? [new FrequencyBand(10), new FrequencyBand(5)], RescaleBands = rescaleBands };
        if (when is not null && when.Count != _options.Bands.Count)
            throw new ArgumentException($"Each of {_options.Bands.Count} bands has an interval; got {when.Count}.", nameof(when));
        _when = when;
    }

    /// <inheritdoc/>
    public override string Name => "fdg";

    /// <inheritdoc/>
    public override void Require(DiffusionModel model) => _options.Require(model.Network.Config.ImageSize, model.Network.Config.ImageSize);

    /// <inheritdoc/>
    public override void Record(PlanBuilder b, CombinationInputs inputs)
    {
        var options = _options with { GuidedChannels = inputs.GuidedChannels };
        if (_when is { } when)
        {
            Slot<bool>[] on = [.. when.Select(_ => new Slot<bool>())];
            b.Record("ChooseBands", [], [], _ =>
            {
                for (int i = 0; i < on.Length; i++) on[i].Value = when[i].Contains(inputs.Moment.Value);
            });
            options = options with { On = on };
        }
        b.FrequencyGuidance(options, inputs.Prediction, inputs.BranchRow, inputs.Channels, inputs.Weight);
    }
}
