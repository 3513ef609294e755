using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Sampling;

/// <summary>Steps and levels of <see cref="EdmSampler"/>. The defaults are EDM's for images of 32 pixels.</summary>
public sealed record EdmSamplerSettings
{
    /// <summary>The published stochastic setting for ImageNet at 64 pixels.</summary>
    public static EdmSamplerSettings ImageNet64 { get; } = new() { Steps = 256, Churn = new HeunChurn(40, 0.05, 50, 1.003) };

    /// <summary>Number of steps N, at least 2.</summary>
    public int Steps { get; init; } = 18;

    /// <summary>Least noise level; a network that knows none so small starts with its own.</summary>
    public double SigmaMin { get; init; } = 0.002;

    /// <summary>Greatest noise level; a network that knows none so great starts with its own.</summary>
    public double SigmaMax { get; init; } = 80;

    /// <summary>Exponent of the levels' spacing.</summary>
    public double Rho { get; init; } = 7;

    /// <summary>Noise added back on the way.</summary>
    public HeunChurn Churn { get; init; } = HeunChurn.None;

    /// <summary>Most images sampled at once, at least 1.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>
    /// For tests: the initial noise of all requests, [N, H, W, C], in place of that of their seeds.
    /// </summary>
    internal double[]? InitialNoise { get; init; }

    /// <summary>For tests: the noise of each step.</summary>
    internal Action<int, double[]>? Noise { get; init; }

    /// <summary>For tests: told every step and the state after it.</summary>
    internal Action<int, double[]>? AfterStep { get; init; }
}

/// <summary>One image to sample.</summary>
/// <param name="Seed">The only source of its noise, and of its class where that is left out.</param>
/// <param name="Label">Class, -1 for the null class; null for one that the seed draws.</param>
/// <param name="Scale">Guidance s, <c>D_null + s (D_label - D_null)</c>; 1 is the plain conditional model.</param>
public readonly record struct EdmRequest(ulong Seed, int? Label, GuidanceScale Scale)
{
    /// <summary>An image without guidance.</summary>
    public EdmRequest(ulong seed, int? label = null)
        : this(seed, label, new GuidanceScale(1)) { }
}

/// <summary>
/// The sampler of Karras et al. 2022 (EDM, arXiv 2206.00364) as it was published: Heun's steps with churn, state and arithmetic in double, an
/// image for each seed. <see cref="GuidedSampler"/> takes the same steps in float32, on the device.
/// </summary>
public sealed class EdmSampler : IDisposable
{
    private readonly UseGuard _guard = new(nameof(EdmSampler), "A sampler serves one caller at a time; make one for each thread, which may share the model.");
    private readonly DiffusionModel _model;
    private readonly INoiseSchedule _schedule;
    private readonly Arena _arena;
    private readonly bool _ownsArena;
    private readonly int _rowLength;
    private readonly Dictionary<int, (Plan Plan, Denoiser Denoiser)> _plans = [];

    /// <summary>Prepares a sampler.</summary>
    /// <param name="model">The model; it outlives the sampler. Its schedule is EDM's, or another whose levels are EDM's sigmas.</param>
    /// <param name="settings">Steps and levels.</param>
    /// <param name="arena">Memory to share with other plans of the same device.</param>
    /// <exception cref="ArgumentException">The model has another schedule, or a setting is out of range.</exception>
    public EdmSampler(DiffusionModel model, EdmSamplerSettings? settings = null, Arena? arena = null)
    {
        Settings = settings ?? new EdmSamplerSettings();
        if (!model.Settings.HasSigmas)
            throw new ArgumentException($"EDM's sampler needs a model in EDM's sigma, and this one has the {model.Settings.Schedule} schedule; use {nameof(GuidedSampler)} with {SamplerKind.Heun}.");
        if (Settings.Batch is < 1 or > 65536) throw new ArgumentException($"The batch is 1 to 65536 images; got {Settings.Batch}.");
        if (!(Settings.Churn.Amount >= 0 && Settings.Churn.NoiseScale >= 0))
            throw new ArgumentException($"Churn amount and noise scale are at least 0; got {Settings.Churn}.");
        _model = model;
        _schedule = model.Settings.NoiseSchedule();
        Sigmas = [.. Spacing.Karras(Settings.Steps, Math.Max(Settings.SigmaMin, _schedule.SigmaRange.Least), Math.Min(Settings.SigmaMax, _schedule.SigmaRange.Greatest), Settings.Rho)
            .Select(_schedule.RoundSigma)];
        var network = model.Network.Config;
        _rowLength = network.ImageSize * network.ImageSize * network.InChannels;
        _ownsArena = arena is null;
        _arena = arena ?? new Arena(model.Kernels);
    }

    /// <summary>Steps and levels.</summary>
    public EdmSamplerSettings Settings { get; }

    /// <summary>The noise levels, largest first, without the final 0.</summary>
    public IReadOnlyList<double> Sigmas { get; }

    /// <summary>Samples images as 8-bit pictures of the data's size.</summary>
    /// <exception cref="ArgumentException">A label or scale that the model cannot serve.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two evaluations.</exception>
    public Image[] Sample(IReadOnlyList<EdmRequest> requests, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        var images = new Image[requests.Count];
        var network = _model.Network.Config;
        int data = _model.Settings.DataSize ?? network.ImageSize;
        float[] pixels = new float[_rowLength];
        Sample(requests, (position, image) =>
        {
            for (int e = 0; e < pixels.Length; e++) pixels[e] = (float)image[e];
            images[position] = PixelConversion.ToImage(pixels, network.ImageSize, network.InChannels, data, _model.Settings.PixelOffset);
        }, progress, cancellation);
        return images;
    }

    /// <summary>Samples images as doubles [H, W, C]; <paramref name="receive"/> gets the request's position and the image, which is valid during the call.</summary>
    /// <exception cref="ArgumentException">A label or scale that the model cannot serve.</exception>
    /// <exception cref="OperationCanceledException">Cancelled between two evaluations.</exception>
    public void Sample(
        IReadOnlyList<EdmRequest> requests, Action<int, ReadOnlySpan<double>> receive, IProgress<SamplingProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var use = _guard.Write();
        using var weights = _model.Parameters.Guard.Read();
        foreach (var request in requests) _model.RequireKnown(Math.Max(-1, request.Label ?? DrawnLabel(request.Seed)), request.Scale.S);
        int groups = (requests.Count + Settings.Batch - 1) / Settings.Batch, perGroup = 2 * Sigmas.Count - 1, done = 0;
        for (int group = 0; group < groups; group++)
        {
            int start = group * Settings.Batch, count = Math.Min(Settings.Batch, requests.Count - start);
            EdmRequest[] batch = [.. requests.Skip(start).Take(count)];
            double[] x = new double[count * _rowLength];
            if (Settings.InitialNoise is { } initial) initial.AsSpan(start * _rowLength, x.Length).CopyTo(x);
            else Fill(batch, 0, RandomStream.InitialNoise, x);
            for (int e = 0; e < x.Length; e++) x[e] *= Sigmas[0];
            int[] labels = [.. batch.Select(LabelOf)];
            HeunSolver.Run(x, Sigmas, Settings.Churn, _schedule.RoundSigma, (state, sigma, denoised) =>
            {
                cancellation.ThrowIfCancellationRequested();
                Denoise(batch, labels, state, sigma, denoised);
                bool last = ++done % perGroup == 0;
                progress?.Report(new SamplingProgress(done, groups * perGroup, last ? start + count : start));
            }, Settings.Noise ?? ((step, noise) => Fill(batch, (uint)step, RandomStream.StepNoise, noise)), Settings.AfterStep);
            for (int i = 0; i < count; i++) receive(start + i, x.AsSpan(i * _rowLength, _rowLength));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (!_guard.End()) return;
        foreach (var (plan, _) in _plans.Values) plan.Dispose();
        if (_ownsArena) _arena.Dispose();
    }

    // Rows of the null class follow those of the labels, where any image is guided.
    private void Denoise(EdmRequest[] batch, int[] labels, double[] x, double sigma, double[] denoised)
    {
        bool guided = batch.Any(request => request.Scale.S != 1);
        int rows = guided ? 2 * batch.Length : batch.Length;
        var (plan, denoiser) = PlanFor(rows);
        float[] input = new float[rows * _rowLength];
        for (int e = 0; e < input.Length; e++) input[e] = (float)x[e % x.Length];
        _model.Kernels.Upload(input, plan.Input("x"));
        if (_model.IsConditional)
            _model.Kernels.Upload([.. labels, .. guided ? Enumerable.Repeat(_model.NullLabel, batch.Length) : []], plan.Input("labels"));
        double[] sigmas = new double[rows];
        Array.Fill(sigmas, sigma);
        denoiser.Upload(_model.Kernels, _schedule, _model.Settings.Parameterization, sigmas);
        plan.Run();
        _model.Kernels.Download(plan.Output("denoised"), input);
        for (int e = 0; e < x.Length; e++)
        {
            double scale = batch[e / _rowLength].Scale.S;
            denoised[e] = scale == 1 ? input[e] : input[x.Length + e] + scale * ((double)input[e] - input[x.Length + e]);
        }
    }

    private (Plan Plan, Denoiser Denoiser) PlanFor(int rows)
    {
        if (_plans.TryGetValue(rows, out var entry)) return entry;
        var network = _model.Network.Config;
        var b = new PlanBuilder(_model.Kernels, _model.Parameters);
        var x = b.Input("x", new Shape(rows, network.ImageSize, network.ImageSize, network.InChannels));
        var labels = _model.IsConditional ? b.Input("labels", new Shape(rows)) : null;
        var denoiser = new Denoiser(b, rows);
        b.Output("denoised", denoiser.Record(b, x, (scaled, noise) => _model.Network.Record(b, scaled, noise, labels)));
        return _plans[rows] = (b.Build(_arena), denoiser);
    }

    private int LabelOf(EdmRequest request) => !_model.IsConditional ? -1
        : (request.Label ?? DrawnLabel(request.Seed)) is var label && label < 0 ? _model.NullLabel : label;

    private int DrawnLabel(ulong seed)
    {
        int[] classes = [.. _model.Settings.TrainedClasses];
        return classes.Length == 0 ? -1 : classes[(int)(Philox.Uniform(seed, 0, 0, RandomStream.Label, 0) * classes.Length)];
    }

    private void Fill(EdmRequest[] batch, uint step, RandomStream stream, double[] noise)
    {
        for (int e = 0; e < noise.Length; e++) noise[e] = Philox.Normal(batch[e / _rowLength].Seed, 0, step, stream, e % _rowLength);
    }
}
