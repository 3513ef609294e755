using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// Away from what the same network predicts while parts of it are disturbed, with the same condition: perturbed attention (PAG, Ahn et al., arXiv 2403.17377), skipped
/// layers (SLG), smoothed energy (SEG, Hong, arXiv 2408.00760). It needs no null class. One more row per sample in the same plan.
/// </summary>
public sealed class PerturbedBranch : Branch
{
    private readonly Perturbation _perturbation;
    private readonly double _strength;

    /// <summary>Guidance by a perturbed pass.</summary>
    /// <param name="kind">What is disturbed.</param>
    /// <param name="strength">w: <c>p0 + w (p0 - p_perturbed)</c>; at least 0, finite. Published scales are 2.8 or 3.</param>
    /// <param name="blocks">Numbers of the blocks; null for the one in the middle (<see cref="Guiders.Perturbation.Blocks"/>).</param>
    /// <param name="sigma">For blurred queries, the blur in tokens; infinite for the mean over all.</param>
    /// <exception cref="ArgumentOutOfRangeException">The strength is negative or not finite.</exception>
    public PerturbedBranch(PerturbationKind kind, double strength, IReadOnlyList<int>? blocks = null, double sigma = double.PositiveInfinity)
    {
        if (!(strength >= 0) || double.IsInfinity(strength)) throw new ArgumentOutOfRangeException(nameof(strength), strength, "A strength is at least 0 and finite.");
        (_perturbation, _strength) = (new Perturbation(kind, 0) { Blocks = blocks, Sigma = sigma }, strength);
    }

    /// <inheritdoc/>
    public override string Name => _perturbation.Kind switch
    {
        PerturbationKind.IdentityAttention => "pag",
        PerturbationKind.BlurredQueries => "seg",
        _ => "slg",
    };

    /// <inheritdoc/>
    public override Perturbation? Perturbation => _perturbation;

    /// <inheritdoc/>
    public override double Strength(SampleRequest request) => _strength;

    /// <inheritdoc/>
    public override void Require(DiffusionModel model)
    {
        if (model.Network is not IPerturbableNetwork { PerturbableBlocks: > 0 } network)
            throw new ArgumentException($"Guider '{Name}' disturbs blocks of attention, and {model.Network.GetType().Name} has none that can be disturbed.");
        foreach (int block in _perturbation.Blocks ?? [])
            if (block < 0 || block >= network.PerturbableBlocks)
                throw new ArgumentException($"Guider '{Name}' disturbs block {block}, and the network has {network.PerturbableBlocks}, counted from 0.");
    }
}
