using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// Adaptive projected guidance with momentum or lengths by channel, in place: guided predictions take the place of the conditional ones, and the weights
    /// become 1, 0, ..., 0; see <see cref="IKernels.ProjectedGuidance"/>. It has no gradient.
    /// </summary>
    /// <param name="options">What to do.</param>
    /// <param name="prediction">[R,...,C] or [R,...,2C]; rows 0 to N - 1 are conditional; updated.</param>
    /// <param name="branchRow">Row of each sample's branches, or -1; int32 bits, [N,K] with K from 1 to 4.</param>
    /// <param name="channels">C, the channels of a sample.</param>
    /// <param name="weight">m, w_1 to w_K of each sample, [N,1+K]; updated.</param>
    /// <param name="running">The running difference, [N,...,C], 0 before the first step; updated. Null for none.</param>
    /// <exception cref="ArgumentException">Shapes do not fit together.</exception>
    public void ProjectedGuidance(
        Slot<ProjectedGuidanceOptions> options, Tensor prediction, Tensor branchRow, int channels, Tensor weight, Tensor? running = null)
    {
        CheckGuided(nameof(ProjectedGuidance), prediction, branchRow, channels, weight);
        if (running is not null && running.Shape != prediction.Shape.WithBatch(weight.Shape.Batch).WithChannels(channels))
            throw new ArgumentException($"ProjectedGuidance: the running difference {running} must have the rows of {weight} and {channels} channels of {prediction}.");
        RecordVarying(nameof(IKernels.ProjectedGuidance), [prediction, branchRow, weight, running], [prediction, weight, running],
            k => k.ProjectedGuidance(in options.Value, prediction.View, branchRow.View, channels, weight.View, running?.View ?? default),
            16.0 * weight.Shape.Batch * prediction.Shape.RowCount);
        RefuseGradient(nameof(ProjectedGuidance), [prediction, weight], prediction);
    }
}
