using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Metrics;

/// <summary>What a classifier reads along a sampling path.</summary>
public enum PathInput
{
    /// <summary>The predicted clean sample of a step, guided and clipped.</summary>
    Denoised,

    /// <summary>The noisy sample with which a step begins; not that of the first step, which is noise alone.</summary>
    State,
}

/// <summary>Calibration at one step of the path.</summary>
/// <param name="Step">Index of the step, 0 the noisiest.</param>
/// <param name="LogSnr">Log-SNR of its level.</param>
/// <param name="Accuracy">How often the classifier is right.</param>
/// <param name="Error">The expected calibration error of this step, ECE_t.</param>
public readonly record struct PathPoint(int Step, double LogSnr, Estimate Accuracy, Estimate Error);

/// <summary>
/// The integral calibration error of a classifier along sampling paths (EluCD, Ma et al., arXiv 2312.12030): at each step the expected calibration error of what the classifier says of the images
/// on their way, right where it names the class they are drawn for; then the plain mean over the steps. <see cref="Observe"/> goes into <see cref="GuidedSamplerOptions.Observer"/>. A classifier may be
/// watched while it guides.
/// </summary>
public sealed class PathCalibration : IDisposable
{
    private readonly IClassifierNetwork _classifier;
    private readonly SamplerTable _table;
    private readonly IReadOnlyList<SampleRequest> _requests;
    private readonly PathInput _input;
    private readonly Arena _arena;
    private readonly Dictionary<int, Plan> _plans = [];
    private readonly Calibration?[] _steps;

    /// <summary>Nothing seen yet.</summary>
    /// <param name="classifier">The classifier, on the model's device; a classifier of noisy images reads the state.</param>
    /// <param name="table">The sampler that is observed.</param>
    /// <param name="requests">What it draws; each has a class that is drawn for (<see cref="SampleRequest.GradientTarget"/>).</param>
    /// <param name="input">What the classifier reads.</param>
    /// <param name="bins">Bins of confidence.</param>
    /// <exception cref="ArgumentException">A request without class or with one that the classifier has not; a classifier of noisy images that is to read clean predictions.</exception>
    public PathCalibration(IClassifierNetwork classifier, SamplerTable table, IReadOnlyList<SampleRequest> requests, PathInput input = PathInput.Denoised, int bins = 15)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        ArgumentNullException.ThrowIfNull(table);
        ArgumentNullException.ThrowIfNull(requests);
        if (classifier.TakesNoise && input == PathInput.Denoised) throw new ArgumentException("A classifier of noisy images is told their noise; it reads the state, not the clean prediction.");
        foreach (var request in requests)
            if (request.GradientTarget < 0 || request.GradientTarget >= classifier.Classes)
                throw new ArgumentException($"Calibration is about classes 0 to {classifier.Classes - 1} of the classifier; sample {request.Index} is drawn for {request.GradientTarget}.");
        (_classifier, _table, _requests, _input, _arena) = (classifier, table, requests, input, new Arena(classifier.Parameters.Kernels));
        _steps = new Calibration?[table.Rows.Count];
        for (int row = 0; row < _steps.Length; row++)
            if (table.Rows[row].Evaluates && (input == PathInput.Denoised || row > 0))
                _steps[row] = new Calibration(classifier.Classes, bins);
    }

    /// <summary>Each step that was seen, the noisiest first.</summary>
    public IReadOnlyList<PathPoint> Points => [.. _steps.Select((calibration, row) => (calibration, row)).Where(s => s.calibration is { Count: > 0 })
        .Select(s => new PathPoint(_table.Rows[s.row].StepIndex, _table.Rows[s.row].LogSnr, s.calibration!.Accuracy, s.calibration.Error))];

    /// <summary>
    /// The mean of the steps' errors. Its own standard error is the mean of theirs: the steps see the same images, so that they do not average out.
    /// </summary>
    /// <exception cref="InvalidOperationException">Nothing was seen.</exception>
    public Estimate IntegralError
    {
        get
        {
            var points = Points;
            return points.Count > 0
                ? new Estimate(points.Average(p => p.Error.Value), points.Average(p => p.Error.StandardError))
                : throw new InvalidOperationException("Calibration needs observed steps; there are none. Give Observe to the sampler as its observer.");
        }
    }

    /// <summary>Asks the classifier about a step.</summary>
    public void Observe(SamplerObservation observation)
    {
        var kernels = _classifier.Parameters.Kernels;
        int row = _input == PathInput.Denoised ? observation.Row : NextEvaluation(observation.Row);
        if (row < 0 || _steps[row] is not { } calibration) return;
        var seen = _input == PathInput.Denoised ? observation.Denoised : observation.State;
        int images = seen.Shape.Batch;
        float[] pixels = new float[seen.Shape.Count], logits = new float[images * _classifier.Classes];
        kernels.Download(seen, pixels);
        float scale = _input == PathInput.State ? (float)_table.Rows[row].NoisyScale : 1;
        for (int i = 0; i < pixels.Length; i++) pixels[i] *= scale;
        using var weights = _classifier.Parameters.Guard.Read();
        var plan = PlanFor(images, seen.Shape);
        kernels.Upload(pixels, plan.Input("images"));
        kernels.Upload([.. Enumerable.Repeat((float)_table.Rows[row].Timestep, images)], plan.Input("timesteps"));
        plan.Run();
        kernels.Download(plan.Output("logits"), logits);
        calibration.AddLogits(logits, [.. Enumerable.Range(observation.First, images).Select(i => _requests[i].GradientTarget)]);
    }

    /// <summary>Frees the plans.</summary>
    public void Dispose()
    {
        foreach (var plan in _plans.Values) plan.Dispose();
        _arena.Dispose();
    }

    private int NextEvaluation(int row)
    {
        // A row between that only adds noise changes the state before it is evaluated: nothing observed is that state.
        return row + 1 < _table.Rows.Count && _table.Rows[row + 1].Evaluates ? row + 1 : -1;
    }

    private Plan PlanFor(int images, Kernels.Shape shape)
    {
        if (_plans.TryGetValue(images, out var plan)) return plan;
        var b = new PlanBuilder(_classifier.Parameters.Kernels, _classifier.Parameters) { Images = images };
        b.Output("logits", _classifier.RecordLogits(b, b.Input("images", shape), b.Input("timesteps", new Kernels.Shape(images))));
        return _plans[images] = b.Build(_arena);
    }
}
