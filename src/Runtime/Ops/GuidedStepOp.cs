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
    /// <param name="prediction">Raw output of the network on the (doubled) batch, [R, ..., C] or [R, ..., 2C]; rows 0 to N - 1 are
    /// conditional.</param>
    /// <param name="scale">Guidance scale s of each sample, [N].</param>
    /// <param name="nullRow">Row of each sample's null half, or -1; int32 bits, [N].</param>
    /// <param name="sampleIndex">Index of each sample in the run, int32 bits, [N].</param>
    /// <param name="z">The states, [N, ..., C], usually bound by the caller.</param>
    /// <param name="history">First history, for samplers that keep one.</param>
    /// <param name="state">Second history, a state, for samplers that keep one.</param>
    /// <param name="noise">Noise to use instead of the generator's.</param>
    /// <param name="denoised">Receives the clean sample.</param>
    /// <exception cref="ArgumentException">Shapes do not fit together.</exception>
    public void GuidedStep(
        Slot<GuidedStepRow> row, Slot<ulong> seed, Tensor prediction, Tensor scale, Tensor nullRow, Tensor sampleIndex, Tensor z,
        Tensor? history = null, Tensor? state = null, Tensor? noise = null, Tensor? denoised = null)
    {
        CheckPerRow(nameof(GuidedStep), z, scale, nullRow, sampleIndex);
        Shape expected = z.Shape.WithBatch(prediction.Shape.Batch);
        if (prediction.Shape.Batch < z.Shape.Batch || prediction.Shape != expected && prediction.Shape != expected.WithChannels(2 * z.Shape.Channels))
            throw new ArgumentException($"GuidedStep: the prediction {prediction} must have the rows of {z} or more, and its channels or twice as many.");
        foreach (var tensor in new[] { history, state, noise, denoised })
            if (tensor is not null && tensor.Shape != z.Shape)
                throw new ArgumentException($"GuidedStep: {tensor} must have the shape of {z}.");
        Tensor?[] reads = [prediction, scale, nullRow, sampleIndex, noise, z, history, state];
        Record(nameof(IKernels.GuidedStep), reads, [z, history, state, denoised], k => k.GuidedStep(in row.Value, seed.Value, new GuidedStepTensors
        {
            Prediction = prediction.View, Scale = scale.View, NullRow = nullRow.View, SampleIndex = sampleIndex.View, Noise = noise?.View ?? default,
            Z = z.View, History = history?.View ?? default, State = state?.View ?? default, Denoised = denoised?.View ?? default,
        }), 12.0 * z.Count);
    }
}
