using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Autoguidance (Karras et al., arXiv 2406.02507): away from a weaker version of the model (smaller, trained for less, or both) with the same condition,
/// <c>D_weak + s (D - D_weak)</c>. One evaluation of the weak model per sample and step.
/// </summary>
public sealed class WeakBranch : Branch
{
    private readonly DiffusionModel _model;
    private readonly double? _strength;

    /// <summary>Guidance by a weak model.</summary>
    /// <param name="model">The weak model, on the device of the strong one, which outlives the sampler.</param>
    /// <param name="scale">s for every sample; null takes each request's own.</param>
    public WeakBranch(DiffusionModel model, GuidanceScale? scale = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        (_model, _strength) = (model, scale?.S - 1);
    }

    /// <inheritdoc/>
    public override string Name => "autoguidance";

    /// <inheritdoc/>
    public override DiffusionModel? Model => _model;

    /// <inheritdoc/>
    public override IReadOnlyList<Parameters> Weights => [_model.Parameters];

    /// <inheritdoc/>
    public override double Strength(SampleRequest request) => _strength ?? request.Scale.S - 1;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model)
    {
        if (_model.Kernels != model.Kernels) throw new ArgumentException("The weak model lies on another device than the model; load both with the same kernels.");
        var (strong, weak) = (model.Network.Config, _model.Network.Config);
        if ((strong.ImageSize, strong.InChannels) != (weak.ImageSize, weak.InChannels))
            throw new ArgumentException(
                $"The weak model makes images of {weak.ImageSize}x{weak.ImageSize}x{weak.InChannels}, the model {strong.ImageSize}x{strong.ImageSize}x{strong.InChannels}.");
        if (!_model.Settings.Parameterization.Equals(model.Settings.Parameterization))
            throw new ArgumentException(
                $"The weak model predicts {_model.Settings.Parameterization}, the model {model.Settings.Parameterization}; autoguidance mixes raw predictions of one kind.");
        if (_model.Settings.Schedule != model.Settings.Schedule || _model.Settings.HasSigmas != model.Settings.HasSigmas)
            throw new ArgumentException($"The weak model has the {OptionWords.Of(_model.Settings.Schedule)} noise schedule, the model the {OptionWords.Of(model.Settings.Schedule)} one.");
        if (_model.Settings.ClassNames.Length != model.Settings.ClassNames.Length)
            throw new ArgumentException($"The weak model has {_model.Settings.ClassNames.Length} classes, the model {model.Settings.ClassNames.Length}.");
    }
}
