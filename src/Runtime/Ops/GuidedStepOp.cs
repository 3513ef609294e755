using NativeDiffusion.Kernels;

namespace NativeDiffusion.Runtime;

public sealed partial class PlanBuilder
{
    /// <summary>
    /// One guided sampler step that updates the states <paramref name="z"/> in place, for any sampler (<see cref="IKernels.GuidedStep"/>).
    /// Nothing is
    /// differentiated.
    /// </summary>
    /// <param name="row">Coefficients of the step.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="z">The states, [N, ..., C], usually bound by the caller.</param>
    /// <param name="sampleIndex">Index of each sample in the run, int32 bits, [N].</param>
    /// <param name="prediction">Raw output of the network on the (doubled) batch, [R, ..., C] or [R, ..., 2C]; rows 0 to N - 1 are
    /// conditional. Null for a step without one.</param>
    /// <param name="weight">Weights m, w1, ..., wK of each sample, [N, 1 + K].</param>
    /// <param name="branchRow">Row of each sample's branches, or -1; int32 bits, [N, K].</param>
    /// <param name="history">First history, for samplers that keep one.</param>
    /// <param name="state">Stored state, for samplers that keep one.</param>
    /// <param name="noise">Noise to use instead of the generator's.</param>
    /// <param name="denoised">Receives the clean sample.</param>
    /// <param name="limit">Bound of each sample's clean sample, [N].</param>
    /// <param name="shift">What guidance by gradients adds.</param>
    /// <param name="y">Receives the next states; null updates z in place.</param>
    /// <param name="history2">The history before the first, for samplers that keep more than one.</param>
    /// <param name="history3">The history before that.</param>
    /// <exception cref="ArgumentException">Shapes do not fit together.</exception>
    public void GuidedStep(
        Slot<GuidedStepRow> row, Slot<ulong> seed, Tensor z, Tensor sampleIndex, Tensor? prediction = null, Tensor? weight = null, Tensor? branchRow = null,
        Tensor? history = null, Tensor? state = null, Tensor? noise = null, Tensor? denoised = null, Tensor? limit = null, Tensor? shift = null, Tensor? y = null,
        Tensor? history2 = null, Tensor? history3 = null)
    {
        CheckPerRow(nameof(GuidedStep), z, sampleIndex);
        if (limit is not null) CheckPerRow(nameof(GuidedStep), z, limit);
        if (prediction is not null)
        {
            Shape expected = z.Shape.WithBatch(prediction.Shape.Batch);
            if (prediction.Shape.Batch < z.Shape.Batch || prediction.Shape != expected && prediction.Shape != expected.WithChannels(2 * z.Shape.Channels))
                throw new ArgumentException($"GuidedStep: the prediction {prediction} must have the rows of {z} or more, and its channels or twice as many.");
        }
        int branches = branchRow?.Shape.Channels ?? 0;
        if (branches > GuidedStepTensors.MostBranches || branchRow is not null && (weight is null || branchRow.Shape != new Shape(z.Shape.Batch, branches))
            || weight is not null && weight.Shape != new Shape(z.Shape.Batch, 1 + branches))
            throw new ArgumentException($"GuidedStep: of {z}, K branches' rows are [N, K], K at most {GuidedStepTensors.MostBranches}, and the weights [N, 1 + K]; got {branchRow} and {weight}.");
        foreach (var tensor in new[] { history, history2, history3, state, noise, denoised, shift, y })
            if (tensor is not null && tensor.Shape != z.Shape)
                throw new ArgumentException($"GuidedStep: {tensor} must have the shape of {z}.");
        Tensor?[] reads = [prediction, weight, branchRow, sampleIndex, noise, z, history, history2, history3, state, limit, shift];
        RecordVarying(nameof(IKernels.GuidedStep), reads, [y ?? z, history, history2, history3, state, denoised], k => k.GuidedStep(in row.Value, seed.Value, new GuidedStepTensors
        {
            Prediction = prediction?.View ?? default, Weight = weight?.View ?? default, BranchRow = branchRow?.View ?? default, SampleIndex = sampleIndex.View,
            Noise = noise?.View ?? default, Z = z.View, History = history?.View ?? default, History2 = history2?.View ?? default, History3 = history3?.View ?? default, State = state?.View ?? default, Denoised = denoised?.View ?? default,
            Limit = limit?.View ?? default, Shift = shift?.View ?? default, Y = y?.View ?? default,
        }), 12.0 * z.Count);
    }
}
