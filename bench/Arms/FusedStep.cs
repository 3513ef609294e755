using NativeDiffusion.Kernels;

namespace NativeDiffusion.Bench.Arms;

/// <summary>The step as one in-place pass: <see cref="IKernels.GuidedStep"/> on the doubled prediction.</summary>
internal sealed class FusedStep : IDisposable
{
    private readonly IKernels _kernels;
    private readonly List<DeviceMemory> _memory = [];
    private readonly TensorView _prediction, _scale, _nullRow, _sampleIndex, _z, _history;

    public FusedStep(IKernels kernels, StepData data)
    {
        _kernels = kernels;
        int batch = data.Shape.Batch;
        _prediction = Allocate(data.Shape.WithBatch(2 * batch));
        (_z, _history) = (Allocate(data.Shape), Allocate(data.Shape));
        (_scale, _nullRow, _sampleIndex) = (Allocate(new(batch)), Allocate(new(batch)), Allocate(new(batch)));
        kernels.Upload(data.Conditional, _prediction.Rows(0, batch));
        kernels.Upload(data.Unconditional, _prediction.Rows(batch, batch));
        kernels.Upload(data.Z, _z);
        kernels.Upload(data.History, _history);
        kernels.Upload(Enumerable.Repeat(StepData.Scale, batch).ToArray(), _scale);
        kernels.Upload([.. Enumerable.Range(batch, batch)], _nullRow);
        kernels.Upload([.. Enumerable.Range(0, batch)], _sampleIndex);
    }

    public void Run(in GuidedStepRow row) =>
        _kernels.GuidedStep(row, 1, _prediction, _scale, _nullRow, _sampleIndex, default, _z, _history, default, default, _z);

    /// <summary>Copies of the state and the history.</summary>
    public (float[] Z, float[] History) Download()
    {
        float[] z = new float[_z.Count], history = new float[_history.Count];
        _kernels.Download(_z, z);
        _kernels.Download(_history, history);
        return (z, history);
    }

    public void Dispose()
    {
        foreach (var memory in _memory) memory.Dispose();
    }

    private TensorView Allocate(Shape shape)
    {
        var memory = _kernels.Allocate(shape.Count);
        _memory.Add(memory);
        return new TensorView(memory, 0, shape);
    }
}
