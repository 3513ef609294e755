using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Combinations whose weights follow from sums over a sample (<see cref="IKernels.GuidanceWeights"/>): guidance rescale (Lin et al., arXiv 2305.08891), CFG-Zero*
/// (Fan et al., arXiv 2503.18886), tangential damping (TCFG, arXiv 2503.18137), magnitude-aware guidance (MAMBO-G, arXiv 2508.03442) and projected guidance without
/// momentum (APG, Sadat et al., arXiv 2410.02416). All work on the first branch; the others keep their weights.
/// </summary>
public sealed class ReweightedCombination : Combination
{
    private readonly GuidanceWeightsOptions _options;
    private readonly int _zeroSteps;

    /// <summary>A combination.</summary>
    /// <param name="name">Short name.</param>
    /// <param name="options">What decides the weights.</param>
    /// <param name="zeroSteps">Steps at the start without any prediction (CFG-Zero*).</param>
    private ReweightedCombination(string name, GuidanceWeightsOptions options, int zeroSteps = 0) => (Name, _options, _zeroSteps) = (name, options, zeroSteps);

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>The standard deviation of the conditional prediction, given back to the guided one in part: <c>p (phi std(p0) / std(p) + 1 - phi)</c>.</summary>
    /// <param name="phi">Share, 0 to 1; published is 0.7.</param>
    public static ReweightedCombination Rescale(double phi = 0.7) => new("rescale", new GuidanceWeightsOptions { Rescale = Unit(phi) });

    /// <summary>The null prediction scaled to the conditional one, and no prediction in the first steps.</summary>
    /// <param name="zeroSteps">Steps without prediction, at least 0; published is 1.</param>
    /// <param name="phi">Rescale, 0 to 1.</param>
    public static ReweightedCombination ZeroStar(int zeroSteps = 1, double phi = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(zeroSteps);
        return new("zero*", new GuidanceWeightsOptions { Kind = GuidanceWeightsKind.ZeroStar, Rescale = Unit(phi) }, zeroSteps);
    }

    /// <summary>The null prediction without the part that lies across what both predictions share.</summary>
    /// <param name="phi">Rescale, 0 to 1.</param>
    public static ReweightedCombination Tangential(double phi = 0) =>
        new("tcfg", new GuidanceWeightsOptions { Kind = GuidanceWeightsKind.Tangential, Rescale = Unit(phi) });

    /// <summary>Less guidance where the predictions differ much.</summary>
    /// <param name="alpha">Decay, at least 0; published is 8.</param>
    /// <param name="phi">Rescale, 0 to 1.</param>
    public static ReweightedCombination Magnitude(double alpha = 8, double phi = 0)
    {
        if (!(alpha >= 0) || double.IsInfinity(alpha)) throw new ArgumentOutOfRangeException(nameof(alpha), alpha, "The decay is at least 0 and finite.");
        return new("mambo-g", new GuidanceWeightsOptions { Kind = GuidanceWeightsKind.Magnitude, Alpha = (float)alpha, Rescale = Unit(phi) });
    }

    /// <summary>The difference of the predictions, limited in size, and its part along the conditional prediction damped.</summary>
    /// <param name="threshold">Greatest norm of the difference; 0 for no limit.</param>
    /// <param name="eta">Share of the parallel part that is kept.</param>
    /// <param name="phi">Rescale, 0 to 1.</param>
    public static ReweightedCombination Projected(double threshold = 15, double eta = 0, double phi = 0)
    {
        if (!(threshold >= 0)) throw new ArgumentOutOfRangeException(nameof(threshold), threshold, "The greatest norm is at least 0; 0 is no limit.");
        if (!double.IsFinite(eta)) throw new ArgumentOutOfRangeException(nameof(eta), eta, "The kept share is finite.");
        return new("apg", new GuidanceWeightsOptions { Kind = GuidanceWeightsKind.ProjectedApg, Threshold = (float)threshold, Eta = (float)eta, Rescale = Unit(phi) });
    }

    /// <inheritdoc/>
    public override double ConditionalWeight(GuidanceMoment moment) => moment.Step < _zeroSteps ? 0 : 1;

    /// <inheritdoc/>
    public override void Record(PlanBuilder b, CombinationInputs inputs) => b.GuidanceWeights(
        new Slot<GuidanceWeightsOptions>(_options with { GuidedChannels = inputs.GuidedChannels }), inputs.Prediction, inputs.BranchRow, inputs.Channels, inputs.Weight);

    private static float Unit(double phi) =>
        phi is >= 0 and <= 1 ? (float)phi : throw new ArgumentOutOfRangeException(nameof(phi), phi, "The share of the rescale lies in [0, 1].");
}
