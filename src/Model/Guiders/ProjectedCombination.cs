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
    private readonly int _lastPlainStep = -1;

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

    private ProjectedCombination(ProjectedGuidanceOptions options, int lastPlainStep)
        : this(options.Momentum, options.Threshold, options.Eta, options.Rescale, options.PerChannel) => (_options, _lastPlainStep) = (options, lastPlainStep);

    /// <summary>
    /// Plain guidance by the branch's own strength in the first steps, in which the running difference builds up, then projected guidance by a scale of its
    /// own (diffusers' mix of both).
    /// </summary>
    /// <param name="scale">Scale of the projected guidance, finite; at 1 plain guidance goes on.</param>
    /// <param name="lastPlainStep">Last step of plain guidance, counted from 0.</param>
    /// <param name="momentum">Share of the running difference that is kept.</param>
    /// <param name="threshold">Greatest norm of the difference; 0 for no limit.</param>
    /// <param name="eta">Share of the parallel part that is kept.</param>
    /// <param name="phi">Rescale, 0 to 1.</param>
    /// <exception cref="ArgumentException">A number is out of its range.</exception>
    public static ProjectedCombination Mixed(double scale = 10, int lastPlainStep = 5, double momentum = -0.5, double threshold = 10, double eta = 0, double phi = 0)
    {
        if (!double.IsFinite(scale)) throw new ArgumentOutOfRangeException(nameof(scale), scale, "A guidance scale is finite.");
        ArgumentOutOfRangeException.ThrowIfNegative(lastPlainStep);
        var options = new ProjectedGuidanceOptions { Momentum = (float)momentum, Threshold = (float)threshold, Eta = (float)eta, Rescale = (float)phi, Scale = (float)scale };
        return new(options, scale == 1 ? int.MaxValue : lastPlainStep);
    }

    /// <inheritdoc/>
    public override string Name => _options.Scale is null ? "apg-momentum" : "apg-mix";

    /// <inheritdoc/>
    public override bool KeepsMemory => true;

    /// <inheritdoc/>
    public override void Record(PlanBuilder b, CombinationInputs inputs)
    {
        var options = _options with { GuidedChannels = inputs.GuidedChannels };
        var slot = new Slot<ProjectedGuidanceOptions>(options);
        if (_lastPlainStep >= 0) b.Record("Choose", [], [], _ => slot.Value = options with { Plain = inputs.Moment.Value.Step <= _lastPlainStep });
        b.ProjectedGuidance(slot, inputs.Prediction, inputs.BranchRow, inputs.Channels, inputs.Weight, inputs.Memory);
    }
}
