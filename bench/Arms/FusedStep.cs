using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Sampling;

namespace NativeDiffusion.Bench.Arms;

/// <summary>The step as one in-place pass: <see cref="IKernels.GuidedStep"/> on the doubled prediction.</summary>
internal sealed class FusedStep : IDisposable
{
    public const ulong Seed = 1;
    private readonly IKernels _kernels;
    private readonly OwnedTensors _owned;
    private readonly GuidedStepTensors _tensors;

    public FusedStep(IKernels kernels, StepData data)
    {
        (_kernels, _owned) = (kernels, new OwnedTensors(kernels));
        int batch = data.Shape.Batch;
        _tensors = new GuidedStepTensors
        {
            Prediction = _owned.Allocate(data.Predicted.WithBatch(2 * batch)), Z = _owned.Allocate(data.Shape), History = _owned.Allocate(data.Shape),
            Weight = _owned.Allocate(new(batch, 2)), BranchRow = _owned.Allocate(new(batch, 1)), SampleIndex = _owned.Allocate(new(batch)),
        };
        kernels.Upload(data.Conditional, _tensors.Prediction.Rows(0, batch));
        kernels.Upload(data.Unconditional, _tensors.Prediction.Rows(batch, batch));
        kernels.Upload(data.Z, _tensors.Z);
        kernels.Upload(data.History, _tensors.History);
        kernels.Upload([.. Enumerable.Range(0, batch).SelectMany(_ => new[] { 1, StepData.Scale - 1 })], _tensors.Weight);
        kernels.Upload([.. Enumerable.Range(batch, batch)], _tensors.BranchRow);
        kernels.Upload([.. Enumerable.Range(0, batch)], _tensors.SampleIndex);
    }

    public void Run(in GuidedStepRow row) => _kernels.GuidedStep(row, Seed, _tensors);

    /// <summary>Copies of the state and the history.</summary>
    public (float[] Z, float[] History) Download()
    {
        float[] z = new float[_tensors.Z.Count], history = new float[_tensors.History.Count];
        _kernels.Download(_tensors.Z, z);
        _kernels.Download(_tensors.History, history);
        return (z, history);
    }

    public void Dispose() => _owned.Dispose();
}
