using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>One term of a <see cref="Guidance"/>: a second prediction to move away from (<see cref="Branch"/>), or a gradient to follow (<see cref="GradientGuider"/>).</summary>
public abstract class Guider
{
    /// <summary>Short name for reports and errors, as the tool's <c>--guider</c> spells it.</summary>
    public abstract string Name { get; }

    /// <summary>When it acts: at factor 0 nothing is evaluated for it.</summary>
    public GuidanceSchedule When { get; init; } = GuidanceSchedule.Always;

    /// <summary>Weights beside the model's that it reads; they are not to be changed or disposed while a sampler samples.</summary>
    public virtual IReadOnlyList<Parameters> Weights => [];

    /// <summary>Checks that it can serve a model, before anything is sampled.</summary>
    /// <exception cref="ArgumentException">It cannot; the message says why and what to do.</exception>
    public virtual void Require(DiffusionModel model) { }
}
