using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// A second prediction p_k, away from which the conditional one p0 is moved: <c>g = p0 + sum_k w_k (p0 - p_k)</c>. Branches of the model's own network are rows of
/// one plan with the conditional ones.
/// </summary>
public abstract class Branch : Guider
{
    /// <summary>Another model that makes this prediction; null for the model that is sampled.</summary>
    public virtual DiffusionModel? Model => null;

    /// <summary>What is changed inside the network, its first row left to the sampler; null for nothing. The branches of a guidance that change something change the same.</summary>
    public virtual Perturbation? Perturbation => null;

    /// <summary>The weight w of a sample, before <see cref="Guider.When"/>; 0 where the branch has no meaning for it.</summary>
    /// <param name="request">The sample.</param>
    public abstract double Strength(SampleRequest request);

    /// <summary>The class that the network is told: that of the sample, unless a branch says otherwise; -1 is the null class.</summary>
    /// <param name="request">The sample.</param>
    /// <param name="seed">The run's seed, for random choices.</param>
    /// <param name="moment">Where the sampler stands.</param>
    /// <param name="classes">Number of classes of the model.</param>
    public virtual int Label(SampleRequest request, ulong seed, GuidanceMoment moment, int classes) => request.Label;
}
