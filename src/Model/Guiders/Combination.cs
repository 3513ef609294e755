using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Guiders;

/// <summary>What a combination reads and changes.</summary>
/// <param name="Prediction">Raw predictions [R, S, S, C] or [R, S, S, 2C]; rows 0 to N - 1 are the conditional ones.</param>
/// <param name="BranchRow">Row of each sample's branches, or -1; int32 bits, [N, K].</param>
/// <param name="Weight">Weights m, w1, ..., wK of each sample, [N, 1 + K]: the plain combination on entry.</param>
/// <param name="Memory">What is kept from step to step, [N, S, S, C], zero at the first; null unless <see cref="Combination.KeepsMemory"/>.</param>
/// <param name="Channels">C.</param>
/// <param name="GuidedChannels">How many channels, from the first, are guided; 0 for all.</param>
/// <param name="Moment">Where the sampler stands at the next run, for what changes from step to step: read it in a call recorded by <see cref="PlanBuilder.Record"/>.</param>
public sealed record CombinationInputs(
    Tensor Prediction, Tensor BranchRow, Tensor Weight, Tensor? Memory, int Channels, int GuidedChannels, Slot<GuidanceMoment> Moment);

/// <summary>
/// How predictions are combined where that is more than a weighted sum with the weights of the branches: by sums over the sample, which decide the weights, or by an
/// operation that puts the guided prediction in place of the conditional one and sets the weights to 1, 0, ..., 0.
/// </summary>
public abstract class Combination
{
    /// <summary>Short name for reports and errors.</summary>
    public abstract string Name { get; }

    /// <summary>Whether it keeps something from step to step.</summary>
    public virtual bool KeepsMemory => false;

    /// <summary>The weight m of the conditional prediction before anything else; 0 where a step has no prediction at all.</summary>
    /// <param name="moment">Where the sampler stands.</param>
    public virtual double ConditionalWeight(GuidanceMoment moment) => 1;

    /// <summary>Records the operation on the inputs.</summary>
    public abstract void Record(PlanBuilder b, CombinationInputs inputs);

    /// <summary>Checks that it can serve a model, before anything is sampled.</summary>
    /// <exception cref="ArgumentException">It cannot; the message says why.</exception>
    public virtual void Require(DiffusionModel model) { }
}
