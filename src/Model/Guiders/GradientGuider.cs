using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>Where a gradient is taken.</summary>
public enum GradientPoint
{
    /// <summary>At the noisy sample, scaled as a classifier of noisy images knows it.</summary>
    State,

    /// <summary>At the predicted clean sample, after the branches' guidance and clipping; the denoiser is not differentiated.</summary>
    Denoised,

    /// <summary>At the state with which a step begins, before noise is added back and once a step, whatever number of evaluations the step takes.</summary>
    StepStart,

    /// <summary>
    /// At the noisy sample, through the denoiser and, with branches of its network, through all of them: the objective reads the guided clean prediction, not
    /// clipped.
    /// </summary>
    ThroughDenoiser,
}

/// <summary>What a gradient moves.</summary>
public enum GradientTarget
{
    /// <summary>
    /// The score: the clean sample moves by <c>sigma^2 / alpha</c> times the gradient, so that every sampler follows (Dhariwal and Nichol 2021, algorithm 2).
    /// </summary>
    Score,

    /// <summary>The predicted noise, by minus the gradient: the clean sample moves by <c>sigma / alpha</c> times it.</summary>
    Noise,

    /// <summary>The mean of an ancestral step, by the step's variance times the gradient (algorithm 1).</summary>
    Mean,

    /// <summary>The state itself, at the start of a step.</summary>
    State,
}

/// <summary>How a gradient is scaled before its weight; R(a) is the root of the mean square of a sample.</summary>
public enum GradientNorm
{
    /// <summary>As it is.</summary>
    None,

    /// <summary>To the state's own size, <c>g R(z) / R(g)</c>; the objective then reads the state divided by max(1, R(z)) (EluCD on EDM).</summary>
    State,

    /// <summary>To the size of what the first branch changes in the predicted noise, <c>g R(eps_c - eps_1) / R(g)</c> (EluCD on DiT).</summary>
    BranchDifference,
}

/// <summary>What an objective may read.</summary>
/// <param name="Image">The point of the gradient [N, S, S, C].</param>
/// <param name="Labels">Class of each sample as int32 bits, [N]; 0 where a sample has none, whose weight is then 0.</param>
/// <param name="Timesteps">What the denoiser is told, [N].</param>
public sealed record GradientInputs(Tensor Image, Tensor Labels, Tensor Timesteps);

/// <summary>An objective: the gradient is that of sum(<paramref name="Output"/> * <paramref name="Cotangent"/>).</summary>
/// <param name="Output">What is to grow.</param>
/// <param name="Cotangent">A tensor of its shape.</param>
public readonly record struct GradientObjective(Tensor Output, Tensor Cotangent);

/// <summary>
/// Guidance along the gradient of an objective: a classifier's log-probability, a similarity, anything that a plan can record. A new one is a class in one file: it
/// records its objective, and says where the gradient is taken, what it moves and how strongly.
/// </summary>
public abstract class GradientGuider : Guider
{
    /// <summary>Where the gradient is taken.</summary>
    public abstract GradientPoint Point { get; }

    /// <summary>What it moves.</summary>
    public abstract GradientTarget Target { get; }

    /// <summary>How it is scaled.</summary>
    public virtual GradientNorm Norm => GradientNorm.None;

    /// <summary>Number of targets that it can lead to, such as a classifier's classes; null for an objective without.</summary>
    public virtual int? Targets => null;

    /// <summary>The weight of a sample's gradient, before <see cref="Guider.When"/>.</summary>
    /// <param name="request">The sample.</param>
    public abstract double Weight(SampleRequest request);

    /// <summary>Checks that it can lead a sample to its target.</summary>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    internal void Require(DiffusionModel model, SampleRequest request)
    {
        if (Targets is not { } targets) return;
        int classes = model.Settings.ClassNames.Length;
        if (request.Target is null && request.Label >= 0 && classes != targets)
            throw new ArgumentException($"Guider '{Name}' knows {targets} classes, and the model {classes}; say the class that it leads to (target), or take a classifier of the model's classes.");
        if (request.GradientTarget >= targets) throw new ArgumentException($"Guider '{Name}' knows the classes 0 to {targets - 1}; got {request.GradientTarget}.");
    }

    /// <summary>Whether <see cref="VarianceAddend"/> is told the variance that the network predicts: results then depend on the batch.</summary>
    public virtual bool ReadsVariance => false;

    /// <summary>
    /// For <see cref="GradientTarget.Mean"/>: what is added to the step's variance, so that the mean moves by <c>(variance + this) weight gradient</c>.
    /// </summary>
    /// <param name="row">The sampler's row.</param>
    /// <param name="table">The whole sampler.</param>
    /// <param name="variance">With <see cref="ReadsVariance"/>, the greatest variance so far at the first value of the batch's first image.</param>
    public virtual double VarianceAddend(SamplerRow row, SamplerTable table, double variance) => 0;

    /// <summary>Whether the clean sample is clipped, if the sampler clips, after the gradient moved it in place of before; for gradients that move the clean sample.</summary>
    public virtual bool ClipsAfterShift => false;

    /// <summary>Steps on the clean sample itself, after all gradients; null for none. They need a gradient that moves the clean sample.</summary>
    public virtual BackwardGuidance? Backward => null;

    /// <summary>Records the objective. Called once for each batch size; other weights than the denoiser's are used inside <see cref="PlanBuilder.With"/>.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="inputs">What it may read.</param>
    public abstract GradientObjective Record(PlanBuilder b, GradientInputs inputs);
}
