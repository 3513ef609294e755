using System.Numerics.Tensors;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench.Arms;

/// <summary>
/// The noise of composed steps: drawn into an array by the library's own generator on one thread, as <c>TensorPrimitives</c> have none. So the
/// arms differ in what is done with the noise, not in how fast it is drawn.
/// </summary>
internal sealed class StepNoise : IDisposable
{
    private readonly IKernels _kernels = new CpuKernels(1);
    private readonly OwnedTensors _owned;
    private readonly TensorView _sampleIndex, _noise;

    public StepNoise(Shape shape)
    {
        _owned = new OwnedTensors(_kernels);
        (_sampleIndex, _noise) = (_owned.Allocate(new(shape.Batch)), _owned.Allocate(shape));
        _kernels.Upload([.. Enumerable.Range(0, shape.Batch)], _sampleIndex);
    }

    /// <summary>Standard normal numbers of a step.</summary>
    public ReadOnlySpan<float> Draw(in GuidedStepRow row)
    {
        _kernels.NormalNoise(FusedStep.Seed, (uint)row.StepIndex, RandomStream.StepNoise, 1, _sampleIndex, _noise);
        return _noise.Span;
    }

    /// <summary>Copies one half of the channels of a prediction, 0 or 1.</summary>
    public void Split(ReadOnlySpan<float> prediction, int half, Span<float> destination)
    {
        int channels = _noise.Shape.Channels;
        for (int from = half * channels, to = 0; to < destination.Length; from += 2 * channels, to += channels)
            prediction.Slice(from, channels).CopyTo(destination[to..]);
    }

    /// <summary>The standard deviation from variance channels; may be in place.</summary>
    public static void Deviation(in GuidedStepRow row, ReadOnlySpan<float> variance, Span<float> deviation)
    {
        TensorPrimitives.Multiply(variance, 0.25f * (row.LogVarMax - row.LogVarMin), deviation);
        TensorPrimitives.Add(deviation, 0.25f * (row.LogVarMax + row.LogVarMin), deviation);
        TensorPrimitives.Exp(deviation, deviation);
    }

    public void Dispose()
    {
        _owned.Dispose();
        _kernels.Dispose();
    }
}
