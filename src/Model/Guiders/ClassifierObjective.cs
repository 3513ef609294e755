using NativeDiffusion.Model.Autoencoders;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// A classifier's log-probability with two temperatures (EluCD, eq. 4): <c>tau1 f_y - log sum_i e^(tau2 f_i)</c>. 1 and 1 give log p(y | x); tau2 = 0 the logit of
/// the class alone. With a decoder, the classifier sees the pictures that latents decode to.
/// </summary>
public sealed class ClassifierObjective : IGuidanceObjective
{
    private readonly IClassifierNetwork _classifier;
    private readonly LatentDecoder? _decoder;
    private readonly double _tau1, _tau2;

    /// <summary>An objective.</summary>
    /// <param name="classifier">The classifier; it outlives the sampler.</param>
    /// <param name="jointTemperature">tau1, finite.</param>
    /// <param name="marginalTemperature">tau2, finite.</param>
    /// <param name="decoder">The decoder of a model of latents; it outlives the sampler.</param>
    /// <exception cref="ArgumentException">A temperature is not finite, or the classifier does not take the decoder's pictures.</exception>
    public ClassifierObjective(IClassifierNetwork classifier, double jointTemperature = 1, double marginalTemperature = 1, LatentDecoder? decoder = null)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        if (!double.IsFinite(jointTemperature) || !double.IsFinite(marginalTemperature))
            throw new ArgumentException($"A classifier's temperatures are finite; got {jointTemperature} and {marginalTemperature}.");
        if (decoder is not null && (classifier.Channels != decoder.Channels || classifier.ImageSize is { } size && size != decoder.ImageSize))
            throw new ArgumentException(
                $"The classifier takes pictures of {classifier.ImageSize?.ToString() ?? "any"} pixels and {classifier.Channels} channels, the decoder makes {decoder.ImageSize} and {decoder.Channels}.");
        (_classifier, _tau1, _tau2, _decoder) = (classifier, jointTemperature, marginalTemperature, decoder);
    }

    /// <inheritdoc/>
    public int? Targets => _classifier.Classes;

    /// <inheritdoc/>
    public IReadOnlyList<Parameters> Weights => _decoder is null ? [_classifier.Parameters] : [_classifier.Parameters, _decoder.Parameters];

    /// <summary>Whether the classifier knows noisy images, and so no clean ones.</summary>
    internal bool TakesNoise => _classifier.TakesNoise;

    /// <inheritdoc/>
    public void Require(string guider, DiffusionModel model)
    {
        if (_classifier.Parameters.Kernels != model.Kernels)
            throw new ArgumentException($"Guider '{guider}': the classifier lies on another device than the model; load both with the same kernels.");
        var config = model.Network.Config;
        bool latent = model.Settings.LatentScale is not null;
        if (_decoder is not null)
        {
            if (!latent) throw new ArgumentException($"Guider '{guider}' goes through a decoder of latents, and the model makes images; leave the decoder out.");
            return;
        }
        string hint = latent ? " The model makes latents: judge the pictures that they decode to (a decoder), or take a classifier of latents." : "";
        if (_classifier.Channels != config.InChannels)
            throw new ArgumentException($"Guider '{guider}': the classifier takes images of {_classifier.Channels} channels, and the model makes {config.InChannels}.{hint}");
        if (_classifier.ImageSize is { } size && size != config.ImageSize)
            throw new ArgumentException($"Guider '{guider}': the classifier takes images of {size}x{size} pixels, and the model makes {config.ImageSize}x{config.ImageSize}.{hint}");
    }

    /// <inheritdoc/>
    public GradientObjective Record(PlanBuilder b, GradientInputs inputs)
    {
        var images = _decoder?.Record(b, inputs.Image) ?? inputs.Image;
        var logits = b.With(_classifier.Parameters, () => _classifier.RecordLogits(b, images, inputs.Timesteps));
        var target = b.OneHot(inputs.Labels, _classifier.Classes);
        // d of sum(onehot (logSoftmax(tau2 f) + (tau1 - tau2) f)) = tau1 df_y - tau2 sum softmax(tau2 f) df.
        if (_tau2 == 0) return new(_tau1 == 1 ? logits : b.Scale(logits, (float)_tau1), target);
        var output = b.LogSoftmax(_tau2 == 1 ? logits : b.Scale(logits, (float)_tau2));
        return new(_tau1 == _tau2 ? output : b.Add(output, b.Scale(logits, (float)(_tau1 - _tau2))), target);
    }
}
