using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// EluCD for DDPM (algorithm 1): along the gradient of an ordinary classifier at the predicted clean sample, which moves the mean by
/// <c>(variance + gamma V sin(pi t / T)) g</c>. The denoiser is not differentiated.
/// </summary>
public sealed class EluCdGuider : GradientGuider
{
    private readonly ClassifierObjective _objective;
    private readonly EluCdSettings _settings;

    /// <summary>Guidance by a classifier of clean images; CLIP guidance with a <see cref="Clip.ClipClassifier"/>.</summary>
    /// <param name="classifier">The classifier, made smooth by softplus where it should be; it outlives the sampler.</param>
    /// <param name="settings">Temperatures and schedule; <see cref="EluCdSettings.Ddpm"/> when left out.</param>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public EluCdGuider(IClassifierNetwork classifier, EluCdSettings? settings = null)
    {
        _settings = settings ?? EluCdSettings.Ddpm;
        _settings.Require();
        Name = classifier is Clip.ClipClassifier ? "clip" : "elucd";
        _objective = new ClassifierObjective(classifier, _settings.JointTemperature, _settings.MarginalTemperature);
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override GradientPoint Point => GradientPoint.Denoised;

    /// <inheritdoc/>
    public override GradientTarget Target => GradientTarget.Mean;

    /// <inheritdoc/>
    public override bool ReadsVariance => _settings.ReadsVarianceOfBatch && _settings.Sine > 0;

    /// <inheritdoc/>
    public override int? Targets => _objective.Targets;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => _objective.Weights;

    /// <inheritdoc/>
    public override double Weight(SampleRequest request) => _settings.Scale;

    /// <inheritdoc/>
    public override double VarianceAddend(SamplerRow row, SamplerTable table, double variance)
    {
        if (_settings.Sine == 0) return 0;
        int steps = table.Steps, index = steps - 1 - row.StepIndex;
        var first = table.Rows[0];
        double most = ReadsVariance ? variance : first.LearnedVariance ? Math.Exp(first.LogVarMax) : first.C * first.C;
        return Math.Max(Math.Sin(Math.PI * index / steps) * most * _settings.Sine, 0);
    }

    /// <inheritdoc/>
    public override void Require(DiffusionModel model) => _objective.Require(Name, model);

    /// <inheritdoc/>
    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => _objective.Record(b, inputs);
}
