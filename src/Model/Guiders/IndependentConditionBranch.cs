using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Independent condition guidance (Sadat et al., arXiv 2407.02687): away from the prediction for a class that says nothing about the sample, drawn
/// anew for each step, in place of the null class. So a conditional model that was trained without one can be guided, by each request's strength w = s - 1.
/// </summary>
public sealed class IndependentConditionBranch : Branch
{
    /// <inheritdoc/>
    public override string Name => "icg";

    /// <inheritdoc/>
    public override double Strength(SampleRequest request) => request.Label < 0 ? 0 : request.Scale.S - 1;

    /// <summary>A class of equal chances, decided by seed, sample and step.</summary>
    public override int Label(SampleRequest request, ulong seed, GuidanceMoment moment, int classes) =>
        (int)(Philox.Uniform(seed, (uint)request.Index, (uint)moment.Step, RandomStream.Label, 0) * classes);

    /// <inheritdoc/>
    public override void Require(DiffusionModel model)
    {
        if (model.Settings.ClassNames.Length < 2)
            throw new ArgumentException($"Guider '{Name}' needs a model of at least 2 classes, and this one has {model.Settings.ClassNames.Length}.");
    }
}
