using System.Numerics.Tensors;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Cli.Bench;

/// <summary>
/// The step of <see cref="GuidedPass"/> as it is done without fusion: the network once with the labels and once without, then guidance and the
/// sampler's step as one simple pass over memory after another.
/// </summary>
internal sealed class UnfusedPass : BenchPass
{
    private readonly IKernels _kernels;
    private readonly ForwardPlan _forward;
    private readonly SamplerRow _row;
    private readonly TensorView _x, _labels, _prediction;
    private readonly int[] _classes, _nulls;
    private readonly float[] _state, _history, _clean, _conditional, _unconditional, _scratch;
    private readonly float[]? _allChannels;
    private readonly int _channels, _predicted;

    public UnfusedPass(DiffusionModel model, int batch)
    {
        _kernels = model.Kernels;
        _row = GuidedPass.MiddleStep(model).Rows[0];
        _forward = new ForwardPlan(model, batch);
        var plan = _forward.Plan;
        (_x, _labels, _prediction) = (plan.Input("x"), plan.Input("labels"), plan.Output("prediction"));
        (_channels, _predicted) = (model.Network.Config.InChannels, model.Network.Config.OutChannels);
        _classes = Labels(model, batch);
        _nulls = [.. Enumerable.Repeat(model.NullLabel, batch)];
        _state = Noise(_x.Count);
        (_history, _clean, _scratch) = (new float[_state.Length], new float[_state.Length], new float[_state.Length]);
        (_conditional, _unconditional) = (new float[_state.Length], new float[_state.Length]);
        _allChannels = _predicted > _channels ? new float[_prediction.Count] : null;
        _kernels.Upload(Enumerable.Repeat((float)_row.Timestep, batch).ToArray(), plan.Input("timesteps"));
    }

    public override double Flops => 2 * BenchMeasurement.Flops(_forward.Plan);

    public override long PlanBytes => _forward.Plan.PeakBytes;

    public override Plan Plan => _forward.Plan;

    public override void Run()
    {
        _kernels.Upload(_state, _x);
        Evaluate(_classes, _conditional);
        Evaluate(_nulls, _unconditional);

        TensorPrimitives.Subtract(_conditional, _unconditional, _conditional);
        TensorPrimitives.Multiply(_conditional, (float)GuidedPass.Scale, _conditional);
        TensorPrimitives.Add(_conditional, _unconditional, _conditional);

        TensorPrimitives.Multiply(_state, (float)_row.XFromZ, _clean);
        TensorPrimitives.Multiply(_conditional, (float)_row.XFromG, _scratch);
        TensorPrimitives.Add(_clean, _scratch, _clean);
        TensorPrimitives.Max(_clean, -1f, _clean);
        TensorPrimitives.Min(_clean, 1f, _clean);

        TensorPrimitives.Multiply(_state, (float)_row.A, _state);
        TensorPrimitives.Multiply(_clean, (float)_row.B, _scratch);
        TensorPrimitives.Add(_state, _scratch, _state);
        TensorPrimitives.Multiply(_history, (float)_row.P, _scratch);
        TensorPrimitives.Add(_state, _scratch, _state);
        _clean.CopyTo(_history, 0);
    }

    public override void Dispose() => _forward.Dispose();

    private void Evaluate(int[] labels, float[] prediction)
    {
        _kernels.Upload(labels, _labels);
        _forward.Plan.Run();
        if (_allChannels is null)
        {
            _kernels.Download(_prediction, prediction);
            return;
        }
        // A network that learns its variance predicts more channels than the image has; this step uses the first ones.
        _kernels.Download(_prediction, _allChannels);
        for (int from = 0, to = 0; from < _allChannels.Length; from += _predicted, to += _channels)
            _allChannels.AsSpan(from, _channels).CopyTo(prediction.AsSpan(to));
    }
}
