using System.Runtime.InteropServices;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Rows that one evaluation needs.</summary>
/// <param name="Main">Rows of the model's own network: the conditional ones, then those of its branches.</param>
/// <param name="FirstPerturbed">The first of them with a perturbation; <paramref name="Main"/> if there is none.</param>
internal readonly record struct RowLayout(int Main, int FirstPerturbed);

/// <summary>
/// The memory of a sampler that outlives its plans: states, histories, predictions and shifts where they pass from one plan to another, and the small inputs of each
/// row. The rows of the model's own network come first, those of each other model behind them at a fixed place.
/// </summary>
internal sealed class SamplerBuffers : IDisposable
{
    private readonly DiffusionModel _model;
    private readonly Guidance _guidance;
    private readonly OwnedTensors _owned;
    private readonly int _batch, _branches;
    private readonly int[] _sourceRow, _labels, _branchRow, _index, _targets, _branchSource;
    private readonly float[] _timesteps, _weight, _gradientWeight, _branchWeight;
    private readonly TensorView _allBranchSources, _allBranchWeights, _inputs;
    private readonly float[] _staged;

    public SamplerBuffers(DiffusionModel model, int batch, Guidance guidance, bool inOnePlan, bool explicitNoise, int histories = 1)
    {
        (_model, _guidance, _owned, _batch, _branches) = (model, guidance, new OwnedTensors(model.Kernels), batch, guidance.Branches.Count);
        var config = model.Network.Config;
        var image = new Shape(batch, config.ImageSize, config.ImageSize, config.InChannels);
        int rows = batch * (1 + _branches), columns = Math.Max(1, _branches);
        RowLength = checked((int)image.RowCount);
        (State, History, StoredState) = (_owned.Allocate(image), _owned.Allocate(image), _owned.Allocate(image));
        (History2, History3) = (histories > 1 ? _owned.Allocate(image) : default, histories > 2 ? _owned.Allocate(image) : default);
        Noise = explicitNoise ? _owned.Allocate(image) : default;
        SampleIndex = _owned.Allocate(new(batch));
        // What every evaluation sets lies in one block, for one copy; each at a cache line.
        Shape[] shapes = [new(rows), new(rows), new(rows), new(batch, 1 + _branches), new(batch, columns)];
        long[] places = new long[shapes.Length + 1];
        for (int i = 0; i < shapes.Length; i++) places[i + 1] = places[i] + (shapes[i].Count + 15) / 16 * 16;
        _inputs = _owned.Allocate(new(checked((int)places[^1])));
        _staged = new float[places[^1]];
        TensorView Placed(int i) => new(_inputs.Memory!, places[i], shapes[i]);
        (SourceRow, Labels, Timesteps, Weight, BranchRow) = (Placed(0), Placed(1), Placed(2), Placed(3), Placed(4));
        (_sourceRow, _labels, _timesteps) = (new int[rows], new int[rows], new float[rows]);
        (_branchRow, _index, _targets, _branchSource) = (new int[batch * columns], new int[batch], new int[batch], new int[batch]);
        (_weight, _gradientWeight, _branchWeight) = (new float[batch * (1 + _branches)], new float[batch], new float[batch]);
        WeakRows = new int[_branches];
        if (inOnePlan) return;
        Prediction = _owned.Allocate(image.WithChannels(config.OutChannels).WithBatch(rows));
        (Denoised, Shift, Memory) = (_owned.Allocate(image), guidance.Gradients.Count > 0 ? _owned.Allocate(image) : default, guidance.Combination is { KeepsMemory: true } ? _owned.Allocate(image) : default);
        (Limit, GradientWeight, Targets) = (_owned.Allocate(new(batch)), _owned.Allocate(new(batch)), _owned.Allocate(new(batch)));
        if (guidance.Gradients.Count > 0 && _branches > 0) (_allBranchSources, _allBranchWeights) = (_owned.Allocate(new(batch * _branches)), _owned.Allocate(new(batch * _branches)));
        if (guidance.Gradients.Any(g => g.Backward is not null)) (BeforeBackward, FirstMoment, SecondMoment) = (_owned.Allocate(image), _owned.Allocate(image), _owned.Allocate(image));
    }

    public int RowLength { get; }

    public TensorView State { get; }

    public TensorView History { get; }

    /// <summary>The history before the first; empty for samplers that keep one.</summary>
    public TensorView History2 { get; }

    /// <summary>The history before that; empty for samplers that keep two.</summary>
    public TensorView History3 { get; }

    public TensorView StoredState { get; }

    public TensorView Noise { get; }

    public TensorView Weight { get; }

    public TensorView BranchRow { get; }

    public TensorView SampleIndex { get; }

    public TensorView SourceRow { get; }

    public TensorView Labels { get; }

    public TensorView Timesteps { get; }

    public TensorView Prediction { get; }

    public TensorView Denoised { get; }

    /// <summary>The first of the first image's variance channels.</summary>
    public TensorView FirstVariance => new(Prediction.Memory!, Prediction.Offset + State.Shape.Channels, new Shape(1));

    public TensorView Shift { get; }

    public TensorView Memory { get; }

    public TensorView Limit { get; }

    public TensorView GradientWeight { get; }

    public TensorView Targets { get; }

    /// <summary>The clean sample before backward guidance.</summary>
    public TensorView BeforeBackward { get; }

    public TensorView FirstMoment { get; }

    public TensorView SecondMoment { get; }

    /// <summary>Rows of each branch that another model evaluates, after <see cref="SetRow"/>.</summary>
    public int[] WeakRows { get; }

    /// <summary>Row of a branch, or of the conditional prediction where a sample has none, int32 bits, [N]; there where a gradient may need it.</summary>
    public TensorView BranchSource(int branch, int images) => _allBranchSources.Rows(branch * _batch, images);

    /// <summary>Weight of a branch, 0 where a sample has none, [N].</summary>
    public TensorView BranchWeight(int branch, int images) => _allBranchWeights.Rows(branch * _batch, images);

    /// <summary>The first row of a branch that another model evaluates.</summary>
    public int WeakStart(int branch)
    {
        // Behind the rows of all branches of the model's own network, wherever in the list they stand.
        int before = 1;
        for (int k = 0; k < _branches; k++)
            if (_guidance.Branches[k].Model is null || k < branch)
                before++;
        return _batch * before;
    }

    /// <summary>Initial states of a batch: noise keyed by the sample's index, or what the requests start from.</summary>
    public void Start(ReadOnlySpan<SampleRequest> batch, SamplerTable table, GuidedSamplerOptions options, CancellationToken cancellation = default)
    {
        for (int i = 0; i < batch.Length; i++) (_index[i], _targets[i]) = (batch[i].Index, Math.Max(0, batch[i].GradientTarget));
        var kernels = _model.Kernels;
        kernels.Upload(_index.AsSpan(0, batch.Length), SampleIndex);
        if (!Targets.IsEmpty) kernels.Upload(_targets.AsSpan(0, batch.Length), Targets);
        using var turn = kernels.Queue.Enter(cancellation);
        if (!Memory.IsEmpty) kernels.Fill(Memory, 0f);
        if (options.InitialState is { } state)
        {
            kernels.Upload(state, State);
            return;
        }
        kernels.NormalNoise(
            options.Seed, 0, RandomStream.InitialNoise, (float)table.InitialScale, SampleIndex.Rows(0, batch.Length), State.Rows(0, batch.Length));
        for (int i = 0; i < batch.Length; i++)
            if (batch[i].Start is { } start) StartFrom(kernels, start, table, options.Seed, SampleIndex.Rows(i, 1), State.Rows(i, 1));
    }

    private static void StartFrom(IKernels kernels, SampleStart start, SamplerTable table, ulong seed, TensorView index, TensorView state)
    {
        float[] values = new float[start.Values.Length];
        var (signal, noise) = start.IsPicture ? table.PictureStart : (table.InitialScale, 0);
        if (noise > 0)
        {
            kernels.NormalNoise(seed, 0, RandomStream.InitialNoise, (float)noise, index, state);
            kernels.Download(state, values);
        }
        for (int e = 0; e < values.Length; e++) values[e] += (float)(signal * start.Values.Span[e]);
        kernels.Upload(values, state);
    }

    /// <summary>Sets the inputs of one evaluation.</summary>
    public RowLayout SetRow(ReadOnlySpan<SampleRequest> batch, SamplerRow row, GuidanceMoment moment, ulong seed)
    {
        int n = batch.Length, columns = 1 + _branches, main = n;
        bool readsFirst = row.F != 0 || row.HistoryFromP1 != 0;
        float conditional = (float)(_guidance.Combination?.ConditionalWeight(moment) ?? 1);
        for (int i = 0; i < n; i++)
        {
            (_sourceRow[i], _labels[i]) = (i, LabelOf(_model, batch[i].Label));
            _weight[i * columns] = conditional;
        }
        for (int k = 0; k < _branches; k++) WeakRows[k] = 0;
        int firstPerturbed = Set(batch, moment, seed, readsFirst, perturbed: false, ref main);
        Set(batch, moment, seed, readsFirst, perturbed: true, ref main);
        _timesteps.AsSpan().Fill((float)row.Timestep);
        var kernels = _model.Kernels;
        Stage<int>(_sourceRow, SourceRow);
        Stage<int>(_labels, Labels);
        Stage<float>(_timesteps, Timesteps);
        Stage<float>(_weight, Weight);
        Stage<int>(_branchRow, BranchRow);
        kernels.Upload(_staged, _inputs);
        for (int k = 0; k < _branches && !_allBranchSources.IsEmpty; k++)
        {
            for (int i = 0; i < n; i++)
            {
                int at = _branchRow[i * _branches + k];
                (_branchSource[i], _branchWeight[i]) = (at < 0 ? i : at, at < 0 ? 0 : _weight[i * columns + 1 + k]);
            }
            kernels.Upload(_branchSource.AsSpan(0, n), BranchSource(k, n));
            kernels.Upload(_branchWeight.AsSpan(0, n), BranchWeight(k, n));
        }
        return new RowLayout(main, firstPerturbed);
    }

    private void Stage<T>(ReadOnlySpan<T> values, TensorView tensor)
        where T : unmanaged => MemoryMarshal.Cast<T, float>(values).CopyTo(_staged.AsSpan((int)tensor.Offset));

    /// <summary>Sets the weights of a gradient; false if all are 0.</summary>
    public bool SetGradient(ReadOnlySpan<SampleRequest> batch, GradientGuider guider, double factor)
    {
        bool any = false;
        for (int i = 0; i < batch.Length; i++)
        {
            double weight = factor == 0 || !Leads(guider, batch[i]) ? 0 : factor * guider.Weight(batch[i]);
            _gradientWeight[i] = (float)weight;
            any |= weight != 0;
        }
        if (any) _model.Kernels.Upload(_gradientWeight.AsSpan(0, batch.Length), GradientWeight);
        return any;
    }

    /// <summary>Sets 1 for samples whose clean prediction a guider moves itself, 0 for others; false if it moves none.</summary>
    public bool SetMoved(ReadOnlySpan<SampleRequest> batch, GradientGuider guider, double factor)
    {
        bool any = false;
        for (int i = 0; i < batch.Length; i++)
        {
            bool moves = factor != 0 && Leads(guider, batch[i]);
            _gradientWeight[i] = moves ? 1 : 0;
            any |= moves;
        }
        if (any) _model.Kernels.Upload(_gradientWeight.AsSpan(0, batch.Length), GradientWeight);
        return any;
    }

    public void Dispose() => _owned.Dispose();

    // An objective without targets leads every sample.
    private static bool Leads(GradientGuider guider, SampleRequest request) => guider.Targets is null || request.GradientTarget >= 0;

    /// <summary>Sets weights and rows of the branches; returns the number of rows after them.</summary>
    private int Set(ReadOnlySpan<SampleRequest> batch, GuidanceMoment moment, ulong seed, bool readsFirst, bool perturbed, ref int main)
    {
        for (int k = 0; k < _branches; k++)
        {
            var branch = _guidance.Branches[k];
            if (branch.Perturbation is not null != perturbed) continue;
            var model = branch.Model ?? _model;
            double factor = branch.When.At(moment);
            for (int i = 0; i < batch.Length; i++)
            {
                double strength = factor == 0 ? 0 : factor * branch.Strength(batch[i]);
                bool isRead = strength != 0 || readsFirst && k == 0 && batch[i].Label >= 0;
                // Strength -1 is the prediction for the null class, which one pass gives; so it needs no second row.
                bool replaces = strength == -1 && branch is NullBranch && _branches == 1 && _guidance.Combination is null && !readsFirst;
                if (replaces) _labels[i] = LabelOf(model, -1);
                isRead &= !replaces;
                _weight[i * (1 + _branches) + 1 + k] = isRead ? (float)strength : 0;
                _branchRow[i * _branches + k] = -1;
                if (!isRead) continue;
                int at = branch.Model is null ? main++ : WeakStart(k) + WeakRows[k]++;
                _branchRow[i * _branches + k] = at;
                _sourceRow[at] = i;
                _labels[at] = LabelOf(model, branch.Label(batch[i], seed, moment, model.Settings.ClassNames.Length));
            }
        }
        return main;
    }

    private static int LabelOf(DiffusionModel model, int label) => label < 0 ? model.NullLabel : label;
}
