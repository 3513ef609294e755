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
    private readonly IClassifierNetwork _classifier;
    private readonly Autoencoders.LatentDecoder _decoder;
    private readonly EluCdSettings _settings;

    /// <summary>Guidance by a classifier of the pictures that latents decode to.</summary>
    /// <param name="classifier">The classifier; it outlives the sampler.</param>
    /// <param name="decoder">The decoder of the model's latents; it outlives the sampler.</param>
    /// <param name="settings">Temperatures and schedule; <see cref="EluCdSettings.Dit"/> when left out.</param>
    /// <exception cref="ArgumentException">A value is out of range, or the classifier does not take the decoder's pictures.</exception>
    public EluCdLatentGuider(IClassifierNetwork classifier, Autoencoders.LatentDecoder decoder, EluCdSettings? settings = null)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        ArgumentNullException.ThrowIfNull(decoder);
        (_classifier, _decoder, _settings) = (classifier, decoder, settings ?? EluCdSettings.Dit);
        _settings.Require();
        if (classifier.Channels != decoder.Channels || classifier.ImageSize is { } size && size != decoder.ImageSize)
            throw new ArgumentException(
                $"The classifier takes pictures of {classifier.ImageSize?.ToString() ?? "any"} pixels and {classifier.Channels} channels, the decoder makes {decoder.ImageSize} and {decoder.Channels}.");
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
    public override int? Targets => _classifier.Classes;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => [_classifier.Parameters, _decoder.Parameters];

    /// <inheritdoc/>
    public override double Weight(SampleRequest request) => _settings.Scale * request.Scale.S;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model)
    {
        if (model.Settings.LatentScale is null)
            throw new ArgumentException($"Guider '{Name}' goes through a decoder of latents, and the model makes images; use elucd.");
        ClassifierObjective.Require(Name, _classifier, model);
    }

    /// <inheritdoc/>
    public override GradientObjective Record(PlanBuilder b, GradientInputs inputs) =>
        ClassifierObjective.Record(b, _classifier, inputs, _decoder.Record(b, inputs.Image), _settings.JointTemperature, _settings.MarginalTemperature);
}
