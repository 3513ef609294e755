using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Classifier guidance (Dhariwal and Nichol, arXiv 2105.05233): along the gradient of a noisy classifier's log-probability at the noisy sample. It moves the mean of
/// ancestral steps (algorithm 1) or the score that any other sampler follows (algorithm 2). The model may be conditional or not; guiding an unconditional one with
/// scale w + 1 is guiding a conditional one with w, for exact scores. It costs one pass of the classifier forward and backward a step, and no second denoiser pass.
/// </summary>
public sealed class ClassifierGuider : GradientGuider
{
    private readonly IClassifierNetwork _classifier;
    private readonly ClassifierObjective _objective;
    private readonly double _scale;

    /// <summary>Guidance by a classifier of noisy images.</summary>
    /// <param name="classifier">The classifier, which outlives the sampler.</param>
    /// <param name="scale">Factor of the gradient; published are 0.5 to 10.</param>
    /// <param name="target"><see cref="GradientTarget.Mean"/> for algorithm 1, <see cref="GradientTarget.Score"/> for algorithm 2.</param>
    /// <exception cref="ArgumentOutOfRangeException">The scale is not finite.</exception>
    /// <exception cref="ArgumentException">The classifier knows clean images only, or the target is neither.</exception>
    public ClassifierGuider(IClassifierNetwork classifier, double scale, GradientTarget target = GradientTarget.Score)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        if (!double.IsFinite(scale)) throw new ArgumentOutOfRangeException(nameof(scale), scale, "A classifier's scale is finite.");
        if (!classifier.TakesNoise)
            throw new ArgumentException("Classifier guidance reads noisy images, and this classifier was trained on clean ones; use EluCD, or train one with train-classifier --noisy.");
        if (target is not (GradientTarget.Mean or GradientTarget.Score)) throw new ArgumentException($"Classifier guidance moves the mean or the score; got {target}.");
        (_classifier, _objective, _scale, Target) = (classifier, new ClassifierObjective(classifier), scale, target);
    }

    /// <inheritdoc/>
    public override string Name => "classifier";

    /// <inheritdoc/>
    public override GradientPoint Point => GradientPoint.State;

    /// <inheritdoc/>
    public override GradientTarget Target { get; }

    /// <inheritdoc/>
    public override int? Targets => _objective.Targets;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => _objective.Weights;

    /// <inheritdoc/>
    public override double Weight(SampleRequest request) => _scale;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model)
    {
        _objective.Require(Name, model);
        if (_classifier is NoisyClassifier { Settings: { } trained } && !trained.TellsNoiseAs(model.Settings))
            throw new ArgumentException(
                $"Guider '{Name}': the classifier was trained on the noise of {trained.NoiseInWords}, and the model has {model.Settings.NoiseInWords}; train one for this model with train-classifier --noisy.");
    }

    /// <inheritdoc/>
    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => _objective.Record(b, inputs);
}
