using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// EluCD for EDM (algorithm 2): at the start of each step, along the classifier's gradient at the state, both scaled to size:
/// <c>x += g R(x) / R(g) w_i</c> with <c>w_i = max(w_max (L - i) / L, 1e-5) + w_max gamma sin(pi i / N)</c>, L = N + 1.
/// </summary>
public sealed class EluCdEdmGuider : GradientGuider
{
    private const double Least = 1e-5;

    private readonly ClassifierObjective _objective;
    private readonly EluCdSettings _settings;

    /// <summary>Guidance by a classifier of clean images.</summary>
    /// <param name="classifier">The classifier, made smooth by softplus where it should be; it outlives the sampler.</param>
    /// <param name="settings">Temperatures and schedule; <see cref="EluCdSettings.Edm"/> when left out.</param>
    /// <exception cref="ArgumentException">A value is out of range.</exception>
    public EluCdEdmGuider(IClassifierNetwork classifier, EluCdSettings? settings = null)
    {
        _settings = settings ?? EluCdSettings.Edm;
        _settings.Require();
        _objective = new ClassifierObjective(classifier, _settings.JointTemperature, _settings.MarginalTemperature);
        double most = _settings.Scale, sine = _settings.Sine;
        // The floor holds for the product, so the weight is part of the curve.
        When = GuidanceSchedule.Of(m => Math.Max(most * (m.Steps + 1.0 - m.Step) / (m.Steps + 1), Least) + most * sine * Math.Sin(Math.PI * m.Step / m.Steps));
    }

    /// <inheritdoc/>
    public override string Name => "elucd-edm";

    /// <inheritdoc/>
    public override GradientPoint Point => GradientPoint.StepStart;

    /// <inheritdoc/>
    public override GradientTarget Target => GradientTarget.State;

    /// <inheritdoc/>
    public override GradientNorm Norm => GradientNorm.State;

    /// <inheritdoc/>
    public override int? Targets => _objective.Targets;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => _objective.Weights;

    /// <inheritdoc/>
    public override double Weight(SampleRequest request) => 1;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model) => _objective.Require(Name, model);

    /// <inheritdoc/>
    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => _objective.Record(b, inputs);
}
