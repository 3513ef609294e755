using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Classifier-free guidance (Ho and Salimans, arXiv 2207.12598): away from the prediction for the null class, by each request's own strength
/// w = s - 1. One more row per guided sample.
/// </summary>
public sealed class NullBranch : Branch
{
    /// <inheritdoc/>
    public override string Name => "cfg";

    /// <inheritdoc/>
    public override double Strength(SampleRequest request) => request.Label < 0 ? 0 : request.Scale.S - 1;

    /// <inheritdoc/>
    public override int Label(SampleRequest request, ulong seed, GuidanceMoment moment, int classes) => -1;
}
