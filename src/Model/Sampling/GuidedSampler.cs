using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Sampling;

/// <summary>One image to sample.</summary>
/// <param name="Label">Class, or -1 for an image without condition (and for unconditional models).</param>
/// <param name="Scale">Guidance; 1 is the plain conditional model.</param>
/// <param name="Index">Number of the sample: together with the seed it decides the noise, whatever else is in the batch.</param>
public readonly record struct SampleRequest(int Label, GuidanceScale Scale, int Index)
{
    /// <summary>What the sample starts from; null for noise that follows from seed and index.</summary>
    public SampleStart? Start { get; init; }
}

/// <summary>Where a call of <see cref="GuidedSampler"/> stands.</summary>
/// <param name="Evaluation">Network evaluations done.</param>
/// <param name="Evaluations">Network evaluations in all.</param>
/// <param name="Images">Images finished.</param>
public readonly record struct SamplingProgress(int Evaluation, int Evaluations, int Images);

/// <summary>
/// Classifier-free guided sampling (Ho and Salimans, arXiv 2207.12598): per step one plan over the doubled batch, whose last kernel combines
/// the halves and takes the step in place. Rows without guidance (scale 1, or outside the interval) have no null half. The loop allocates
/// nothing; an image depends on the seed and on its own request only.
/// </summary>
public sealed class GuidedSampler : IDisposable
{
    private const int MostImages = 65536;

    // Activations of one evaluation that stay in the caches of today's processors; measured with 32 MB of the last level.
    private const long CachedBytes = 20_000_000;

    private readonly DiffusionModel _model;
    private readonly SamplerTable _table;
    private readonly SamplerBuffers _buffers;
    private readonly Arena _arena;
    private readonly bool _ownsArena;
    private readonly Dictionary<(int Images, int Rows), Plan> _plans = [];
    private readonly Slot<GuidedStepRow> _row = new();
    private readonly Slot<float> _inputScale = new(1);
    private readonly Slot<ulong> _seed = new();

    /// <summary>Prepares a sampler.</summary>
    /// <param name="model">The model; it outlives the sampler.</param>
    /// <param name="settings">Sampler, steps, spacing.</param>
    /// <param name="options">Batch, seed, guidance interval.</param>
    /// <param name="arena">Memory to share with other plans of the same device, for example a trainer's.</param>
    /// <exception cref="ArgumentException">The sampler does not fit the model's schedule.</exception>
    public GuidedSampler(DiffusionModel model, SamplerSettings settings, GuidedSamplerOptions? options = null, Arena? arena = null)
        : this(model, settings.Build(model), options, arena) { }

    /// <summary>Prepares a sampler from a table of coefficients.</summary>
    public GuidedSampler(DiffusionModel model, SamplerTable table, GuidedSamplerOptions? options = null, Arena? arena = null)
    {
        Options = options ?? new GuidedSamplerOptions();
        if (Options.Batch is < 1 or > MostImages) throw new ArgumentException($"The batch is 1 to {MostImages} images; got {Options.Batch}.");
        if (Options.GuidedChannels is { } guided && (guided < 1 || guided > model.Network.Config.InChannels))
            throw new ArgumentException($"Guidance has 1 to {model.Network.Config.InChannels} channels of this model; got {guided}.");
        (_model, _table) = (model, table);
        if (table.Rows.Any(r => r.LearnedVariance) && !model.LearnsVariance)
            throw new ArgumentException($"Sampler {table.Name} needs a network that learns its variance, and this one has {model.Network.Config.OutChannels} output channels for {model.Network.Config.InChannels}.");
        _ownsArena = arena is null;
        _arena = arena ?? new Arena(model.Kernels);
        Batch = Options.Batch ?? FastestBatch();
        _buffers = new SamplerBuffers(model, Batch, Options.Noise is not null);
    }

    /// <summary>Most images that are sampled at once: what the options say, or what is fastest (<see cref="GuidedSamplerOptions.Batch"/>).</summary>
    public int Batch { get; }

    /// <summary>Batch, seed, interval.</summary>
    public GuidedSamplerOptions Options { get; }

    /// <summary>The sampler's coefficients.</summary>
    public SamplerTable Table => _table;

    /// <summary>Network evaluations that sampling <paramref name="images"/> takes, each of one group of images.</summary>
    public int Evaluations(int images) => Groups(images) * _table.Rows.Count;

    /// <summary>Samples images as 8-bit pictures of the data's size.</summary>
    /// <exception cref="ArgumentException">A label or scale that the model cannot serve.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two evaluations.</exception>
    public Image[] Sample(IReadOnlyList<SampleRequest> requests, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        var images = new Image[requests.Count];
        var config = _model.Network.Config;
        int size = config.ImageSize, data = _model.Settings.DataSize ?? size;
        double offset = _model.Settings.PixelOffset;
        Sample(requests, (i, pixels) => images[i] = PixelConversion.ToImage(pixels, size, config.InChannels, data, offset), progress, cancellation);
        return images;
    }

    /// <summary>Samples images as floats in [-1, 1] [H, W, C]; <paramref name="receive"/> gets the request's position and the image.</summary>
    public void Sample(
        IReadOnlyList<SampleRequest> requests, SampleReceiver receive, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        foreach (var request in requests)
        {
            _model.RequireKnown(request.Label, request.Scale.S);
            if (Options.InitialState is null) SampleStart.Require(request.Start, _table, _buffers.RowLength);
        }
        int evaluations = Evaluations(requests.Count), groups = Groups(requests.Count), done = 0;
        _seed.Value = Options.Seed;
        float[] image = new float[_buffers.RowLength];
        for (int group = 0; group < groups; group++)
        {
            var (start, count) = Group(requests.Count, group);
            var batch = new SampleRequest[count];
            for (int i = 0; i < count; i++) batch[i] = requests[start + i];
            foreach (var row in _table.Rows) PlanFor(count, _buffers.SetRow(batch, row, Options.Interval));
            _buffers.Start(batch, _table, Options);
            for (int r = 0; r < _table.Rows.Count; r++)
            {
                cancellation.ThrowIfCancellationRequested();
                Advance(batch, r);
                progress?.Report(new SamplingProgress(++done, evaluations, r == _table.Rows.Count - 1 ? start + count : start));
            }
            for (int i = 0; i < count; i++)
            {
                _model.Kernels.Download(_buffers.State.Rows(i, 1), image);
                receive(start + i, image);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var plan in _plans.Values) plan.Dispose();
        _buffers.Dispose();
        if (_ownsArena) _arena.Dispose();
    }

    /// <summary>Into how many groups images are divided.</summary>
    internal int Groups(int images) => (images + Batch - 1) / Batch;

    /// <summary>One of the groups, which are as even as can be: that takes one or two plans, and none is left with a few images.</summary>
    internal (int Start, int Count) Group(int images, int group)
    {
        int groups = Groups(images);
        int start = (int)((long)images * group / groups), end = (int)((long)images * (group + 1) / groups);
        return (start, end - start);
    }

    internal Plan PlanFor(int images, int rows)
    {
        if (_plans.TryGetValue((images, rows), out var plan)) return plan;
        var b = new PlanBuilder(_model.Kernels, _model.Parameters) { Images = images };
        var z = b.Bind("z", _buffers.State.Rows(0, images));
        var input = b.Scale(z, _inputScale);
        if (rows > images) input = b.GatherRows(input, b.Bind("source_row", _buffers.SourceRow.Rows(0, rows)));
        var labels = !_model.IsConditional ? null : b.Bind("labels", _buffers.Labels.Rows(0, rows));
        var prediction = _model.Network.Record(b, input, b.Bind("timesteps", _buffers.Timesteps.Rows(0, rows)), labels);
        b.GuidedStep(
            _row, _seed, prediction, b.Bind("scale", _buffers.Scale.Rows(0, images)), b.Bind("null_row", _buffers.NullRow.Rows(0, images)),
            b.Bind("sample_index", _buffers.SampleIndex.Rows(0, images)), z,
            b.Bind("history", _buffers.History.Rows(0, images)), b.Bind("stored_state", _buffers.StoredState.Rows(0, images)),
            _buffers.Noise.IsEmpty ? null : b.Bind("noise", _buffers.Noise.Rows(0, images)));
        return _plans[(images, rows)] = b.Build(_arena);
    }

    /// <summary>One evaluation: the inputs that depend on the level, then the plan.</summary>
    internal void Advance(ReadOnlySpan<SampleRequest> batch, int rowIndex)
    {
        var row = _table.Rows[rowIndex];
        int rows = _buffers.SetRow(batch, row, Options.Interval);
        if (Options.Noise is { } noise) _model.Kernels.Upload(noise(rowIndex), _buffers.Noise);
        _row.Value = ToKernelRow(row) with { GuidedChannels = Options.GuidedChannels ?? _model.Settings.GuidedChannels ?? 0 };
        _inputScale.Value = (float)row.InputScale;
        PlanFor(batch.Length, rows).Run();
        Options.AfterEvaluation?.Invoke(rowIndex, _buffers.State);
    }

    internal static GuidedStepRow ToKernelRow(SamplerRow row) => new()
    {
        StepIndex = row.StepIndex,
        XFromZ = (float)row.XFromZ,
        XFromG = (float)row.XFromG,
        A = (float)row.A,
        B = (float)row.B,
        E = (float)row.E,
        P = (float)row.P,
        Q = (float)row.Q,
        C = (float)row.C,
        LearnedVariance = row.LearnedVariance,
        LogVarMin = (float)row.LogVarMin,
        LogVarMax = (float)row.LogVarMax,
        HistoryFromZ = (float)row.HistoryFromZ,
        HistoryFromX = (float)row.HistoryFromX,
        StoreHistory = row.StoreHistory,
        StoreState = row.StoreState,
        Clip = row.Clip,
    };

    private int FastestBatch()
    {
        var config = _model.Network.Config;
        int rows = _model.NullLabel < 0 ? 1 : 2;
        var b = new PlanBuilder(_model.Kernels, _model.Parameters) { Images = 1 };
        var x = b.Input("x", new Shape(rows, config.ImageSize, config.ImageSize, config.InChannels));
        var labels = !_model.IsConditional ? null : b.Input("labels", new Shape(rows));
        b.Output("prediction", _model.Network.Record(b, x, b.Input("timesteps", new Shape(rows)), labels));
        using var plan = b.Build(_arena);
        return FastestBatch(plan.PeakBytes, _model.Parameters.Count * sizeof(float));
    }

    /// <summary>
    /// The largest power of two, at most 64, whose activations fit the caches or stay below two thirds of the weights: those every evaluation
    /// reads from memory if they do not fit the caches, so that it pays to share them among images even though the activations leave the caches too.
    /// </summary>
    internal static int FastestBatch(long bytesPerImage, long weightBytes)
    {
        long room = Math.Max(CachedBytes, weightBytes / 3 * 2);
        int images = 1;
        while (images < 64 && 2 * images * bytesPerImage <= room) images *= 2;
        return images;
    }
}

/// <summary>Receives a finished image.</summary>
/// <param name="position">Position of its request.</param>
/// <param name="pixels">[H, W, C] in [-1, 1], valid during the call.</param>
public delegate void SampleReceiver(int position, ReadOnlySpan<float> pixels);

/// <summary>Options of a <see cref="GuidedSampler"/> that do not change its coefficients.</summary>
public sealed record GuidedSamplerOptions
{
    /// <summary>
    /// Most images sampled at once, 1 to 65536; results do not depend on it. Null takes as many as are fastest: the largest power of two (at most
    /// 64) for which the activations of guided images take at most 20 MB, which caches hold, or two thirds of the bytes of the weights, which every
    /// evaluation reads.
    /// </summary>
    public int? Batch { get; init; }

    /// <summary>Seed of all noise.</summary>
    public ulong Seed { get; init; }

    /// <summary>Where guidance applies.</summary>
    public GuidanceInterval Interval { get; init; }

    /// <summary>
    /// How many channels, from the first, are guided: the others have the conditional prediction. Null guides as many as the model's settings say, all by default; DiT's released code guides 3 of
    /// the 4 channels of its latents.
    /// </summary>
    public int? GuidedChannels { get; init; }

    /// <summary>Initial states [N, H, W, C] of the only batch, instead of noise.</summary>
    internal float[]? InitialState { get; init; }

    /// <summary>Noise of each row [N, H, W, C], instead of the generator's.</summary>
    internal Func<int, float[]>? Noise { get; init; }

    /// <summary>Called after each network evaluation with its number and the state.</summary>
    internal Action<int, TensorView>? AfterEvaluation { get; init; }
}
