using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// EluCD for models of latents (algorithm 3): along the gradient of classifier and decoder at the predicted latents, scaled to what the first branch changes,
/// <c>eps = eps_u + s (eps_c - eps_u - w g R(eps_c - eps_u) / R(g))</c>, with the weights of the EDM form.
/// </summary>
public sealed class EluCdLatentGuider : GradientGuider
{
    private readonly ClassifierObjective _objective;
    private readonly EluCdSettings _settings;

    /// <summary>Guidance by a classifier of the pictures that latents decode to.</summary>
    /// <param name="classifier">The classifier; it outlives the sampler.</param>
    /// <param name="decoder">The decoder of the model's latents; it outlives the sampler.</param>
    /// <param name="settings">Temperatures and schedule; <see cref="EluCdSettings.Dit"/> when left out.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the classifier does not take the decoder's pictures.</exception>
    public EluCdLatentGuider(IClassifierNetwork classifier, Autoencoders.LatentDecoder decoder, EluCdSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        _settings = settings ?? EluCdSettings.Dit;
        _settings.Require();
        _objective = new ClassifierObjective(classifier, _settings.JointTemperature, _settings.MarginalTemperature, decoder);
        When = GuidanceSchedule.DecayAndSine(_settings.Sine);
    }

    /// <inheritdoc/>
    public override string Name => "elucd-latent";

    /// <inheritdoc/>
    public override GradientPoint Point => GradientPoint.Denoised;

    /// <inheritdoc/>
    public override GradientTarget Target => GradientTarget.Noise;

    /// <inheritdoc/>
    public override GradientNorm Norm => GradientNorm.BranchDifference;

    /// <inheritdoc/>
    public override int? Targets => _objective.Targets;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => _objective.Weights;

    /// <inheritdoc/>
    public override double Weight(SampleRequest request) => _settings.Scale * request.Scale.S;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model) => _objective.Require(Name, model);

    /// <inheritdoc/>
    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) => _objective.Record(b, inputs);
}
