using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Bench.Arms;

/// <summary><see cref="ComposedSampler"/> on a device: the network twice on the batch, or once on the doubled batch, then <see cref="DeviceComposedStep"/>.</summary>
internal sealed class DeviceComposedSampler : ISamplerArm
{
    private readonly IKernels _kernels;
    private readonly SamplerTable _table;
    private readonly ForwardPlan _forward;
    private readonly DeviceComposedStep _step;
    private readonly OwnedTensors _owned;
    private readonly TensorView _labels, _nulls, _conditional, _unconditional, _history;
    private readonly float[] _timesteps;
    private readonly float _scale;
    private readonly int _batch;
    private readonly bool _doubled;

    public DeviceComposedSampler(DiffusionModel model, SamplerTable table, int batch, double scale, bool doubled)
    {
        (_kernels, _table, _scale, _batch, _doubled) = (model.Kernels, table, (float)scale, batch, doubled);
        int rows = doubled ? 2 * batch : batch;
        _forward = new ForwardPlan(model, rows);
        _timesteps = new float[rows];
        Shape image = X.Shape.WithBatch(batch);
        (_owned, _step) = (new OwnedTensors(_kernels), new DeviceComposedStep(_kernels, image));
        (_conditional, _unconditional, _history) = (_owned.Allocate(image), _owned.Allocate(image), _owned.Allocate(image));
        (_labels, _nulls) = (_owned.Allocate(new Shape(batch)), _owned.Allocate(new Shape(batch)));
        _kernels.Upload([.. Enumerable.Range(0, batch).Select(i => i % model.NullLabel)], _labels);
        _kernels.Upload([.. Enumerable.Repeat(model.NullLabel, batch)], _nulls);
    }

    private Plan Plan => _forward.Plan;

    private TensorView X => Plan.Input("x");

    private TensorView State => X.Rows(0, _batch);

    public void Start(ReadOnlySpan<float> state)
    {
        _kernels.Upload(state, State);
        _kernels.Fill(_history, 0);
    }

    public void Step(int row)
    {
        var r = _table.Rows[row];
        if (r.InputScale != 1) throw new ArgumentException($"The composed arms give the network the state as it is; row {row} scales it by {r.InputScale}.");
        Array.Fill(_timesteps, (float)r.Timestep);
        _kernels.Upload(_timesteps, Plan.Input("timesteps"));
        if (_doubled)
        {
            _kernels.Copy(State, X.Rows(_batch, _batch));
            _kernels.Copy(_labels, Plan.Input("labels").Rows(0, _batch));
            _kernels.Copy(_nulls, Plan.Input("labels").Rows(_batch, _batch));
            Plan.Run();
            TakeImageChannels(0, _conditional);
            TakeImageChannels(_batch, _unconditional);
        }
        else
        {
            Evaluate(_labels, _conditional);
            Evaluate(_nulls, _unconditional);
        }
        _step.Run(r.ToKernelRow(), _scale, _conditional, _unconditional, State, _history);
    }

    public float[] Download()
    {
        float[] state = new float[State.Count];
        _kernels.Download(State, state);
        return state;
    }

    public void Dispose()
    {
        _step.Dispose();
        _owned.Dispose();
        _forward.Dispose();
    }

    private void Evaluate(TensorView labels, TensorView prediction)
    {
        _kernels.Copy(labels, Plan.Input("labels"));
        Plan.Run();
        TakeImageChannels(0, prediction);
    }

    /// <summary>Takes a prediction, without its variance channels if it has some, before the next run overwrites it.</summary>
    private void TakeImageChannels(int firstRow, TensorView result)
    {
        TensorView prediction = Plan.Output("prediction").Rows(firstRow, _batch);
        if (prediction.Shape.Channels > result.Shape.Channels) _kernels.SliceForward(prediction, 0, result);
        else _kernels.Copy(prediction, result);
    }
}
