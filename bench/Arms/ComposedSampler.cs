using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Bench.Arms;

/// <summary>
/// Guided steps by <see cref="ComposedStep"/> after the tuned network: either twice on the batch (with labels, then without), or once on the
/// doubled batch. The state lives in the plan's own input, and predictions are read where the plan leaves them, so nothing is copied in vain.
/// </summary>
internal sealed class ComposedSampler : ISamplerArm
{
    private readonly IKernels _kernels;
    private readonly SamplerTable _table;
    private readonly ForwardPlan _forward;
    private readonly ComposedStep _step;
    private readonly bool _doubled;
    private readonly float _scale;
    private readonly int _count, _channels, _predicted;
    private readonly int[] _labels, _nulls;
    private readonly float[] _timesteps, _history, _conditional, _unconditional;

    public ComposedSampler(DiffusionModel model, SamplerTable table, int batch, double scale, bool doubled)
    {
        (_kernels, _table, _doubled, _scale) = (model.Kernels, table, doubled, (float)scale);
        var config = model.Network.Config;
        (_channels, _predicted) = (config.InChannels, config.OutChannels);
        _count = batch * config.ImageSize * config.ImageSize * _channels;
        _labels = [.. Enumerable.Range(0, batch).Select(i => i % model.NullLabel)];
        _nulls = [.. Enumerable.Repeat(model.NullLabel, batch)];
        int rows = doubled ? 2 * batch : batch;
        _timesteps = new float[rows];
        (_history, _conditional, _unconditional) = (new float[_count], new float[_count], new float[_count]);
        _step = new ComposedStep(_count);
        _forward = new ForwardPlan(model, rows);
        if (doubled) _kernels.Upload([.. _labels, .. _nulls], _forward.Plan.Input("labels"));
    }

    private Plan Plan => _forward.Plan;

    private Span<float> State => Plan.Input("x").Span[.._count];

    public void Start(ReadOnlySpan<float> state) => state.CopyTo(State);

    public void Step(int row)
    {
        var r = _table.Rows[row];
        if (r.InputScale != 1) throw new ArgumentException($"The composed arms give the network the state as it is; row {row} scales it by {r.InputScale}.");
        Array.Fill(_timesteps, (float)r.Timestep);
        _kernels.Upload(_timesteps, Plan.Input("timesteps"));
        ReadOnlySpan<float> conditional, unconditional;
        if (_doubled)
        {
            State.CopyTo(Plan.Input("x").Span[_count..]);
            Plan.Run();
            ReadOnlySpan<float> prediction = Plan.Output("prediction").Span;
            conditional = ImageChannels(prediction[..(prediction.Length / 2)], _conditional);
            unconditional = ImageChannels(prediction[(prediction.Length / 2)..], _unconditional);
        }
        else
        {
            _kernels.Upload(_labels, Plan.Input("labels"));
            Plan.Run();
            conditional = ImageChannels(Plan.Output("prediction").Span, _conditional);
            if (_predicted == _channels) conditional.CopyTo(_conditional);
            conditional = _conditional;
            _kernels.Upload(_nulls, Plan.Input("labels"));
            Plan.Run();
            unconditional = ImageChannels(Plan.Output("prediction").Span, _unconditional);
        }
        _step.Run(r.ToKernelRow(), _scale, conditional, unconditional, State, _history);
    }

    public float[] Download() => State.ToArray();

    public void Dispose() => _forward.Dispose();

    /// <summary>A prediction without its variance channels, which these steps do not use: itself where it has none.</summary>
    private ReadOnlySpan<float> ImageChannels(ReadOnlySpan<float> prediction, float[] buffer)
    {
        if (_predicted == _channels) return prediction;
        for (int from = 0, to = 0; to < buffer.Length; from += _predicted, to += _channels)
            prediction.Slice(from, _channels).CopyTo(buffer.AsSpan(to));
        return buffer;
    }
}
