using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Sampling;

/// <summary>The memory of a sampler that outlives its plans: states, histories, and the small per-row inputs of the doubled batch.</summary>
internal sealed class SamplerBuffers : IDisposable
{
    private readonly IKernels _kernels;
    private readonly int _nullLabel;
    private readonly OwnedTensors _owned;
    private readonly int[] _sourceRow, _labels, _nullRow;
    private readonly float[] _timesteps, _scale;

    public SamplerBuffers(DiffusionModel model, int batch, bool explicitNoise)
    {
        (_kernels, _nullLabel, _owned) = (model.Kernels, model.NullLabel, new OwnedTensors(model.Kernels));
        var config = model.Network.Config;
        var image = new Shape(batch, config.ImageSize, config.ImageSize, config.InChannels);
        RowLength = checked((int)image.RowCount);
        (State, History, StoredState) = (_owned.Allocate(image), _owned.Allocate(image), _owned.Allocate(image));
        Noise = explicitNoise ? _owned.Allocate(image) : default;
        (Scale, NullRow, SampleIndex) = (_owned.Allocate(new(batch)), _owned.Allocate(new(batch)), _owned.Allocate(new(batch)));
        (SourceRow, Labels, Timesteps) = (_owned.Allocate(new(2 * batch)), _owned.Allocate(new(2 * batch)), _owned.Allocate(new(2 * batch)));
        (_sourceRow, _labels, _nullRow) = (new int[2 * batch], new int[2 * batch], new int[batch]);
        (_timesteps, _scale) = (new float[2 * batch], new float[batch]);
    }

    public int RowLength { get; }

    public TensorView State { get; }

    public TensorView History { get; }

    public TensorView StoredState { get; }

    public TensorView Noise { get; }

    public TensorView Scale { get; }

    public TensorView NullRow { get; }

    public TensorView SampleIndex { get; }

    public TensorView SourceRow { get; }

    public TensorView Labels { get; }

    public TensorView Timesteps { get; }

    /// <summary>Initial states of a batch: noise keyed by the sample's index, or what the requests start from.</summary>
    public void Start(ReadOnlySpan<SampleRequest> batch, SamplerTable table, GuidedSamplerOptions options)
    {
        for (int i = 0; i < batch.Length; i++) _nullRow[i] = batch[i].Index;
        _kernels.Upload(_nullRow.AsSpan(0, batch.Length), SampleIndex);
        if (options.InitialState is { } state)
        {
            _kernels.Upload(state, State);
            return;
        }
        _kernels.NormalNoise(
            options.Seed, 0, RandomStream.InitialNoise, (float)table.InitialScale, SampleIndex.Rows(0, batch.Length), State.Rows(0, batch.Length));
        for (int i = 0; i < batch.Length; i++)
            if (batch[i].Start is { } start) StartFrom(_kernels, start, table, options.Seed, SampleIndex.Rows(i, 1), State.Rows(i, 1));
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

    /// <summary>Sets the inputs of one evaluation; returns the rows of the doubled batch.</summary>
    public int SetRow(ReadOnlySpan<SampleRequest> batch, SamplerRow row, GuidanceInterval interval)
    {
        int rows = batch.Length;
        for (int i = 0; i < batch.Length; i++)
        {
            double scale = interval.ScaleAt(row, batch[i].Scale);
            // Scale 0 is the unconditional model, which one pass with the null label gives; so it needs no second half either.
            bool unconditional = batch[i].Label < 0 || scale == 0, guided = !unconditional && scale != 1;
            _sourceRow[i] = i;
            _labels[i] = unconditional ? _nullLabel : batch[i].Label;
            _scale[i] = guided ? (float)scale : 1f;
            _nullRow[i] = -1;
            if (!guided) continue;
            _nullRow[i] = rows;
            _sourceRow[rows] = i;
            _labels[rows++] = _nullLabel;
        }
        _timesteps.AsSpan(0, rows).Fill((float)row.Timestep);
        _kernels.Upload(_sourceRow.AsSpan(0, rows), SourceRow);
        _kernels.Upload(_labels.AsSpan(0, rows), Labels);
        _kernels.Upload(_timesteps.AsSpan(0, rows), Timesteps);
        _kernels.Upload(_scale.AsSpan(0, batch.Length), Scale);
        _kernels.Upload(_nullRow.AsSpan(0, batch.Length), NullRow);
        return rows;
    }

    public void Dispose() => _owned.Dispose();
}
