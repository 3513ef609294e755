using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Universal guidance (Bansal et al., arXiv 2302.07121): towards any objective of clean images, by its gradient at the noisy sample, through the denoiser (forward), and by
/// steps of Adam on the predicted clean sample itself (backward). With branches, the gradient is that of the guided prediction, through all of them.
/// <code>
/// x   += w sigma^2 / alpha  d objective(x) / dz        forward
/// x    = Adam(clamp(x)), as often as asked             backward
/// x    = clamp(x)                                      and the noise follows from it
/// </code>
/// It costs the denoiser's pass backward, two to three passes forward, and the objective forward and backward once and for each backward step; recurrences
/// (<see cref="Guidance.Recurrences"/>), which the paper takes, multiply all of it. EluCD and CLIP guidance on ancestral samplers are far cheaper.
/// </summary>
public sealed class UniversalGuider : GradientGuider
{
    private readonly IGuidanceObjective _objective;
    private readonly UniversalSettings _settings;

    /// <summary>Guidance by an objective.</summary>
    /// <param name="objective">What is to grow: a <see cref="ClassifierObjective"/>, with <see cref="Clip.ClipClassifier"/> for a text, or one of your own.</param>
    /// <param name="settings">Strength and backward steps.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the objective reads noisy images.</exception>
    public UniversalGuider(IGuidanceObjective objective, UniversalSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(objective);
        (_objective, _settings) = (objective, settings ?? new UniversalSettings());
        _settings.Require();
        if (objective is ClassifierObjective { TakesNoise: true })
            throw new ArgumentException("Universal guidance asks for the class of clean predictions, and this classifier was trained on noisy images; use classifier guidance, or a classifier of clean images.");
    }

    /// <inheritdoc/>
    public override string Name => "universal";

    /// <inheritdoc/>
    public override GradientPoint Point => GradientPoint.ThroughDenoiser;

    /// <inheritdoc/>
    public override GradientTarget Target => GradientTarget.Score;

    /// <inheritdoc/>
    public override bool ClipsAfterShift => true;

    /// <inheritdoc/>
    public override BackwardGuidance? Backward => _settings.Backward;

    /// <inheritdoc/>
    public override int? Targets => _objective.Targets;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => _objective.Weights;

    /// <inheritdoc/>
    public override double Weight(SampleRequest request) => _settings.ForwardWeight;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model) => _objective.Require(Name, model);

    /// <inheritdoc/>
    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => _objective.Record(b, inputs);
}
