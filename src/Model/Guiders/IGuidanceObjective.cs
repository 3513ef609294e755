using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>
/// What guidance is to raise: anything of an image that a plan can record, such as a classifier's log-probability, a similarity to a text, a distance to a picture.
/// <see cref="UniversalGuider"/> leads by any of them.
/// </summary>
public interface IGuidanceObjective
{
    /// <summary>Number of targets that it can lead to, such as a classifier's classes; null for an objective without.</summary>
    int? Targets { get; }

    /// <summary>Weights that it reads; they are not to be changed or disposed while a sampler samples.</summary>
    IReadOnlyList<Parameters> Weights { get; }

    /// <summary>Checks that it can judge a model's images.</summary>
    /// <param name="guider">Name of the guider that asks, for the message.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    void Require(string guider, DiffusionModel model);

    /// <summary>Records the objective. Other weights than the denoiser's are used inside <see cref="PlanBuilder.With"/>.</summary>
    /// <param name="b">The plan.</param>
    /// <param name="inputs">What it may read.</param>
    GradientObjective Record(PlanBuilder b, GradientInputs inputs);
}
