using System.Diagnostics;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Guiders;
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

    /// <summary>Class that gradients lead to; null for <see cref="Label"/>. So a model without condition can be guided by a classifier.</summary>
    public int? Target { get; init; }

    /// <summary>Class that gradients lead to, or -1 for none.</summary>
    public int GradientTarget => Target ?? Label;
}

/// <summary>Where a call of <see cref="GuidedSampler"/> stands.</summary>
/// <param name="Evaluation">Network evaluations done.</param>
/// <param name="Evaluations">Network evaluations in all.</param>
/// <param name="Images">Images finished.</param>
public readonly record struct SamplingProgress(int Evaluation, int Evaluations, int Images);

/// <summary>
/// Samples with any <see cref="Guidance"/>. With classifier-free guidance (Ho and Salimans, arXiv 2207.12598), per step one plan over the doubled batch, whose last
/// kernel combines the halves and takes the step in place; rows without guidance (scale 1, or outside the interval) have no null half. Gradients, other models and
/// combinations by sums over a sample are plans of their own between prediction and step. The loop allocates nothing; an image depends on the seed and on its own
/// request only. A sampler serves one caller at a time; several samplers, one for each thread,
/// may share a model.
/// </summary>
public sealed partial class GuidedSampler : IDisposable
{
    private const int MostImages = 65536;

    private readonly UseGuard _guard = new(nameof(GuidedSampler), "A sampler serves one caller at a time; make one for each thread, which may share the model.");
    private readonly DiffusionModel _model;
    private readonly SamplerTable _table;
    private readonly SamplerBuffers _buffers;
    private readonly Arena _arena;
    private readonly bool _ownsArena;
    private readonly Guidance _guidance;
    private readonly bool _inOnePlan, _clipsAfterShift;
    private readonly Dictionary<PlanKey, Plan> _plans = [];
    private readonly Slot<GuidedStepRow> _row = new();
    private readonly Slot<float> _inputScale = new(1);
    private readonly Slot<ulong> _seed = new();
    private readonly GradientGuider? _meanThroughDenoiser;
    private readonly bool _readsVariance;
    private readonly Perturbation? _perturbation;
    private readonly float[] _firstVariance = new float[1];
    private CancellationToken _cancellation;
    private int _first, _draw;
    private double _mostVariance;
    private bool _isPreparing;

    /// <summary>Prepares a sampler.</summary>
    /// <param name="model">The model; it outlives the sampler.</param>
    /// <param name="settings">Sampler, steps, spacing.</param>
    /// <param name="options">Batch, seed, guidance.</param>
    /// <param name="arena">Memory to share with other plans of the same device, for example a trainer's.</param>
    /// <exception cref="ArgumentException">The sampler does not fit the model's schedule.</exception>
    public GuidedSampler(DiffusionModel model, SamplerSettings settings, GuidedSamplerOptions? options = null, Arena? arena = null)
        : this(model, settings.Build(model, options?.Guidance), options, arena) { }

    /// <summary>Prepares a sampler from a table of coefficients.</summary>
    public GuidedSampler(DiffusionModel model, SamplerTable table, GuidedSamplerOptions? options = null, Arena? arena = null)
    {
        model.Parameters.Guard.ThrowIfEnded();
        Options = options ?? new GuidedSamplerOptions();
        if (Options.Batch is < 1 or > MostImages) throw new ArgumentException($"The batch is 1 to {MostImages} images; got {Options.Batch}.");
        if (Options.GuidedChannels is { } guided && (guided < 1 || guided > model.Network.Config.InChannels))
            throw new ArgumentException($"Guidance has 1 to {model.Network.Config.InChannels} channels of this model; got {guided}.");
        _guidance = Options.Guidance ?? Guidance.ClassifierFree();
        (_model, _table) = (model, _guidance.Prepare(model, table));
        _perturbation = _guidance.Branches.Select(branch => branch.Perturbation).FirstOrDefault(p => p is not null);
        _meanThroughDenoiser = _guidance.Gradients.FirstOrDefault(g => g.Target == GradientTarget.Mean && g.Point == GradientPoint.ThroughDenoiser);
        _readsVariance = _guidance.Gradients.Any(g => g.ReadsVariance);
        _inOnePlan = _guidance.IsOnePlan && Options.Observer is null;
        if (table.Rows.Any(r => r.LearnedVariance) && !model.LearnsVariance)
            throw new ArgumentException($"Sampler {table.Name} needs a network that learns its variance, and this one has {model.Network.Config.OutChannels} output channels for {model.Network.Config.InChannels}.");
        _ownsArena = arena is null;
        _arena = arena ?? new Arena(model.Kernels);
        Batch = Options.Batch ?? FastestBatch();
        _buffers = new SamplerBuffers(model, Batch, _guidance, _inOnePlan, Options.Noise is not null, _table.Histories);
        _clipsAfterShift = _guidance.Gradients.Any(g => g.ClipsAfterShift);
    }

    /// <summary>Most images that are sampled at once: what the options say, or what is fastest (<see cref="GuidedSamplerOptions.Batch"/>).</summary>
    public int Batch { get; }

    /// <summary>Batch, seed, guidance.</summary>
    public GuidedSamplerOptions Options { get; }

    /// <summary>The sampler's coefficients.</summary>
    public SamplerTable Table => _table;

    /// <summary>Network evaluations that sampling <paramref name="images"/> takes, each of one group of images.</summary>
    public int Evaluations(int images) => Groups(images) * _table.Rows.Where(r => r.Evaluates).Sum(RecurrencesOf);

    /// <summary>Samples images as 8-bit pictures of the data's size.</summary>
    /// <exception cref="ArgumentException">A label or scale that the model cannot serve.</exception>
    /// <exception cref="NotFiniteNumberException">An image came out as NaN or infinite: the weights, or too much guidance.</exception>
    /// <exception cref="OperationCanceledException">Cancelled, at once: also within an evaluation, and while others use the device.</exception>
    /// <exception cref="InvalidOperationException">Another call uses this sampler, or changes the model's weights.</exception>
    /// <exception cref="ObjectDisposedException">The sampler, its model or its device was disposed.</exception>
    public Image[] Sample(IReadOnlyList<SampleRequest> requests, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        var images = new Image[requests.Count];
        Sample(requests, (i, pixels) => images[i] = ToImage(pixels), progress, cancellation);
        return images;
    }

    /// <summary>Samples images as floats in [-1, 1] [H, W, C]; <paramref name="receive"/> gets the request's position and the image.</summary>
    public void Sample(
        IReadOnlyList<SampleRequest> requests, SampleReceiver receive, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var use = _guard.Write();
        using var weights = _model.Parameters.Guard.Read();
        using var others = new OtherWeights(_guidance);
        foreach (var request in requests) Check(request);
        _cancellation = cancellation;
        long began = Stopwatch.GetTimestamp();
        int evaluations = Evaluations(requests.Count), done = 0;
        LogEvents.SamplingStarts(_model.Logger, requests.Count, _table, evaluations, Batch);
        try
        {
            Sample(requests, receive, evaluations, ref done, progress);
        }
        catch (OperationCanceledException)
        {
            LogEvents.SamplingCancelled(_model.Logger, done, evaluations, Stopwatch.GetElapsedTime(began).TotalSeconds);
            throw;
        }
        finally
        {
            _cancellation = default;
        }
        LogEvents.SamplingEnds(_model.Logger, requests.Count, evaluations, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    private void Sample(IReadOnlyList<SampleRequest> requests, SampleReceiver receive, int evaluations, ref int done, IProgress<SamplingProgress>? progress)
    {
        int groups = Groups(requests.Count);
        _seed.Value = Options.Seed;
        float[] image = new float[_buffers.RowLength];
        for (int group = 0; group < groups; group++)
        {
            var (start, count) = Group(requests.Count, group);
            var batch = new SampleRequest[count];
            for (int i = 0; i < count; i++) batch[i] = requests[start + i];
            // What a step needs is recorded before the first runs, so that the loop allocates nothing.
            for (int r = 0; r < _table.Rows.Count; r++) PreparePlans(batch, r);
            (_first, _draw, _mostVariance) = (start, 0, 0);
            _buffers.Start(batch, _table, Options, _cancellation);
            for (int r = 0; r < _table.Rows.Count; r++)
            {
                _cancellation.ThrowIfCancellationRequested();
                Advance(batch, r);
                if (!_table.Rows[r].Evaluates) continue;
                done += RecurrencesOf(_table.Rows[r]);
                progress?.Report(new SamplingProgress(done, evaluations, r == _table.Rows.Count - 1 ? start + count : start));
            }
            for (int i = 0; i < count; i++)
            {
                _model.Kernels.Download(_buffers.State.Rows(i, 1), image);
                if (FiniteNumbers.FirstOther(image) is >= 0 and var at) throw NotFinite(batch[i], start + i, image[at]);
                receive(start + i, image);
            }
        }
    }

    private static NotFiniteNumberException NotFinite(SampleRequest request, int position, float value) => new(FormattableString.Invariant(
        $"Image {position} (label {request.Label}, guidance scale {request.Scale.S}) holds {value}, which is no colour: a weight is not finite, or guidance or network overflowed. Try less guidance, and --math f32 on a GPU."), value);

    /// <summary>Frees the plans and states.</summary>
    /// <exception cref="InvalidOperationException">The sampler is in use.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        foreach (var plan in _plans.Values) plan.Dispose();
        _buffers.Dispose();
        if (_ownsArena) _arena.Dispose();
    }

    private Image ToImage(ReadOnlySpan<float> pixels)
    {
        var config = _model.Network.Config;
        return PixelConversion.ToImage(pixels, config.ImageSize, config.InChannels, _model.Settings.DataSize ?? config.ImageSize, _model.Settings.PixelOffset);
    }

    private int RecurrencesOf(SamplerRow row) => _guidance.RecurrencesAt(row.StepIndex, _table.Steps);

    /// <summary>Into how many groups images are divided.</summary>
    internal int Groups(int images) => (images + Batch - 1) / Batch;

    /// <summary>One of the groups, which are as even as can be: that takes one or two plans, and none is left with a few images.</summary>
    internal (int Start, int Count) Group(int images, int group)
    {
        int groups = Groups(images);
        int start = (int)((long)images * group / groups), end = (int)((long)images * (group + 1) / groups);
        return (start, end - start);
    }

    private int FastestBatch()
    {
        var config = _model.Network.Config;
        int rows = 1 + _guidance.Branches.Count(b => b.Model is null && (b is not NullBranch || _model.NullLabel >= 0));
        var b = new PlanBuilder(_model.Kernels, _model.Parameters) { Images = 1 };
        var x = b.Input("x", new Shape(rows, config.ImageSize, config.ImageSize, config.InChannels));
        var labels = !_model.IsConditional ? null : b.Input("labels", new Shape(rows));
        b.Output("prediction", _model.Network.Record(b, x, b.Input("timesteps", new Shape(rows)), labels));
        using var plan = b.Build(_arena);
        return _model.Kernels.Capacity is { } capacity
            ? SamplerBatch.ThatFills(capacity, plan)
            : SamplerBatch.ThatCachesHold(plan.PeakBytes, _model.Parameters.Count * sizeof(float));
    }

    private void Check(SampleRequest request)
    {
        foreach (var guider in _guidance.Gradients) guider.Require(_model, request);
        if (request.Target < -1) throw new ArgumentException($"A sample's target is a class, or -1 for none; got {request.Target}.");
        if (!double.IsFinite(request.Scale.S)) throw new ArgumentException($"A guidance scale is a finite number; got {request.Scale.S}.");
        // Only guidance by the null class needs what a scale other than 1 asks of the model.
        if (Options.InitialState is null) SampleStart.Require(request.Start, _table, _buffers.RowLength);
        _model.RequireKnown(request.Label, _guidance.Branches.Any(b => b is NullBranch) ? request.Scale.S : 1);
    }
}
