using System.Diagnostics;
using System.Runtime.CompilerServices;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Training;

/// <summary>What one optimiser step gave.</summary>
/// <param name="Step">Steps done, this one included.</param>
/// <param name="Loss">Weighted loss of the batch.</param>
/// <param name="GradientNorm">Global norm before clipping.</param>
/// <param name="LearningRate">Learning rate of the step.</param>
public readonly record struct TrainingStep(long Step, double Loss, double GradientNorm, double LearningRate);

/// <summary>The loss or a gradient stopped being a number.</summary>
public sealed class TrainingDivergedException(long step, double loss, double gradientNorm) : Exception(
    $"Training diverged at step {step}: the loss is {loss} and the gradient norm {gradientNorm}. The weights are still those of the step before; use a lower learning rate.")
{
    /// <summary>The step that failed, from 1.</summary>
    public long Step { get; } = step;
}

/// <summary>
/// Classifier-free guidance training (Algorithm 1 of Ho and Salimans, arXiv 2207.12598): images with noise of a random level, the label dropped
/// with a fixed probability, squared error of the prediction, AdamW with clipping, an exponential moving average. All randomness is keyed by
/// (seed, step, row), so a run that was saved and resumed equals an uninterrupted one to the bit.
/// </summary>
public sealed partial class Trainer : IDisposable
{
    private const int HistoryInterval = 25;

    private readonly UseGuard _guard = new(nameof(Trainer), "A trainer serves one caller at a time.");
    private readonly BatchSource _source;
    private readonly Plan _plan;
    private readonly Slot<ulong> _seed = new();
    private readonly Slot<uint> _step = new();
    private readonly Slot<AdamWStep> _optimiser = new();
    private readonly float[] _pixels, _alpha, _sigma, _targetAlpha, _targetSigma, _timesteps, _rowWeight, _importance, _rowLosses, _scalar = new float[1];
    private readonly int[] _labels, _rows, _drawn;
    private readonly double[] _losses;
    private readonly Augmentation _augmentation;
    private readonly NoiseLevel[] _levels;
    private readonly LossSecondMomentSampler? _lossAware;
    private readonly VarianceRows? _bound;
    private readonly LossWeight _weight;
    private readonly Func<uint, uint, NoiseLevel> _levelAt;
    private readonly List<(long Step, double Loss)> _history = [];
    private readonly string _fingerprint;
    private double _lossSum;

    /// <summary>Prepares the training of a model.</summary>
    /// <param name="model">Its weights are trained in place; it outlives the trainer.</param>
    /// <param name="data">Images of the network's size (see <see cref="ImageDataset.PadTo"/>).</param>
    /// <param name="settings">Batch, steps, learning rate, ...</param>
    /// <exception cref="ArgumentException">Data and model do not fit, or a setting is out of range.</exception>
    public Trainer(DiffusionModel model, ITrainingImages data, TrainingSettings settings)
        : this(model, data, WithWeighting(settings, model.Settings), resumed: false) { }

    private Trainer(DiffusionModel model, ITrainingImages data, TrainingSettings settings, bool resumed)
    {
        settings.Validate();
        (Model, Settings) = (model, settings);
        var network = model.Network.Config;
        if (data.Height != network.ImageSize || data.Width != network.ImageSize || data.Channels != network.InChannels)
            throw new ArgumentException(
                $"The network takes {network.ImageSize}x{network.ImageSize} images of {network.InChannels} channels, the data are {data.Height}x{data.Width} of {data.Channels}.");
        if (model.IsConditional && data.ClassNames.Count > model.Settings.ClassNames.Length)
            throw new ArgumentException($"The data have {data.ClassNames.Count} classes, the model {model.Settings.ClassNames.Length}.");
        if (model.IsConditional && !model.Settings.NullClass && settings.NullProbability > 0)
            throw new ArgumentException($"The model has no null class to drop labels to; make null_probability 0 instead of {settings.NullProbability}.");
        if (model.LearnsVariance && !model.Settings.HasTimesteps)
            throw new ArgumentException(
                $"A variance is learned on discrete timesteps, and the model has the {OptionWords.Of(model.Settings.Schedule)} schedule; make it linear or cosine, or out_channels equal to in_channels.");

        if (!resumed) model.NoteTraining(ShownLabels(model, data, settings.NullProbability), settings.NullProbability);
        _source = new BatchSource(data, settings.Seed);
        _fingerprint = data.Fingerprint();
        _seed.Value = settings.Seed;
        int batch = settings.BatchSize;
        _pixels = new float[batch * data.Height * data.Width * data.Channels];
        (_alpha, _sigma, _targetAlpha, _targetSigma) = (new float[batch], new float[batch], new float[batch], new float[batch]);
        (_timesteps, _rowWeight, _importance, _rowLosses) = (new float[batch], new float[batch], new float[batch], new float[batch]);
        (_drawn, _losses) = (new int[batch], new double[batch]);
        _augmentation = new Augmentation(settings.Seed, data.Height, data.Channels, settings.MaxShift, settings.Flip);
        if (model.LearnsVariance) _bound = new VarianceRows(model.Settings, batch);
        _labels = new int[batch];
        _levelAt = TrainingLevels.Of(model.Settings, settings.Seed);
        _levels = model.Settings.HasTimesteps ? TrainingLevels.Timesteps(model.Settings) : [];
        if (settings.Timesteps == TimestepSampling.LossSecondMoment) _lossAware = new LossSecondMomentSampler(_levels.Length);
        Average = model.Parameters.Clone();
        _powers = [.. settings.PowerAverages.Select(width => new PowerAverage(width, PowerFunctionAverage.Exponent(width), model.Parameters.Clone()))];
        Arena = new Arena(model.Kernels);
        _rows = [.. Enumerable.Range(0, batch)];
        _plan = Record(batch);
        if (!model.Settings.HasSigmas) _weight = (settings.Weighting ?? LossWeightingRules.Default(model.Settings.Prediction)).Weight();
    }

    /// <summary>The model being trained.</summary>
    public DiffusionModel Model { get; }

    /// <summary>Batch, steps, learning rate, ...</summary>
    public TrainingSettings Settings { get; }

    /// <summary>The exponential moving average of the weights, which sampling uses.</summary>
    public Parameters Average { get; }

    /// <summary>The memory of the training step; sampling between two steps may share it.</summary>
    public Arena Arena { get; }

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Mean loss of every 25 steps so far, with the last step of the 25.</summary>
    public IReadOnlyList<(long Step, double Loss)> History => _history;

    /// <summary>Further metadata of its checkpoints.</summary>
    internal Dictionary<string, string> Notes { get; } = [];

    /// <summary>Labels of the last step's batch, after dropping.</summary>
    internal ReadOnlySpan<int> LastLabels => _labels;

    /// <summary>Bytes of activations, gradients and workspaces of one step; weights and moments are not counted.</summary>
    public long PeakBytes => _plan.PeakBytes;

    /// <summary>Trains until <see cref="TrainingSettings.Steps"/>.</summary>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Checked between steps; the state stays whole and can be saved.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient became NaN or infinite; the weights are those of the step before.</exception>
    public void Run(IProgress<TrainingStep>? progress = null, CancellationToken cancellation = default)
    {
        long began = Stopwatch.GetTimestamp();
        LogEvents.TrainingStarts(Model.Logger, nameof(DiffusionModel), Step, Settings.Steps, Settings.BatchSize);
        while (Step < Settings.Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            var step = RunStep();
            progress?.Report(step);
        }
        LogEvents.TrainingEnds(Model.Logger, Step, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>Trains until <see cref="TrainingSettings.Steps"/> in a thread of its own. The trainer is in use until the task has ended.</summary>
    /// <param name="progress">Told after each step, in the training thread.</param>
    /// <param name="cancellation">Checked between steps; the state stays whole and can be saved.</param>
    /// <returns>A task with the exceptions of <see cref="Run"/>.</returns>
    public Task RunAsync(IProgress<TrainingStep>? progress = null, CancellationToken cancellation = default) => OwnThread.Run(
        () =>
        {
            Run(progress, cancellation);
            return true;
        },
        cancellation);

    /// <summary>Trains beside the caller until <see cref="TrainingSettings.Steps"/>, a step whenever the last one was taken: between two, the trainer can be saved and its model sampled.</summary>
    /// <param name="cancellation">Checked between steps; the state stays whole and can be saved.</param>
    /// <returns>The steps; its exceptions are those of <see cref="Run"/>.</returns>
    public async IAsyncEnumerable<TrainingStep> RunEachAsync([EnumeratorCancellation] CancellationToken cancellation = default)
    {
        while (Step < Settings.Steps) yield return await Task.Run(RunStep, cancellation).ConfigureAwait(false);
    }

    /// <summary>One optimiser step.</summary>
    /// <exception cref="TrainingDivergedException">Loss or gradient became NaN or infinite; the weights are those of the step before.</exception>
    /// <exception cref="InvalidOperationException">Another call uses the trainer or its model.</exception>
    /// <exception cref="ObjectDisposedException">The trainer, its model or its device was disposed.</exception>
    public TrainingStep RunStep()
    {
        using var use = _guard.Write();
        Prepare();
        _plan.Run();
        double loss = Read(_plan.Output("loss")), norm = Read(_plan.Output("gradient_norm"));
        // A gradient that is not finite leaves the weights as they were.
        if (!double.IsFinite(loss) || !double.IsFinite(norm))
        {
            LogEvents.TrainingDiverged(Model.Logger, Step + 1, loss, norm);
            throw new TrainingDivergedException(Step + 1, loss, norm);
        }
        Step++;
        Note(loss, norm);
        if (_lossAware is not null) NoteRowLosses(_lossAware);
        AveragePowers();
        return new TrainingStep(Step, loss, norm, _optimiser.Value.LearningRate);
    }

    /// <summary>Frees the plan, its memory and the averaged weights; the model is left to its owner.</summary>
    /// <exception cref="InvalidOperationException">The trainer is in the middle of a step.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        _source.Dispose();
        _plan.Dispose();
        Arena.Dispose();
        Average.Dispose();
        foreach (var power in _powers) power.Weights.Dispose();
    }

    /// <summary>Settings with the weighting that the model gives them where they leave it open.</summary>
    private static TrainingSettings WithWeighting(TrainingSettings settings, DiffusionSettings model)
    {
        settings.Validate();
        if (!model.HasTimesteps && (settings.Timesteps != TimestepSampling.Uniform || settings.Weighting == LossWeighting.LaterSteps))
            throw new ArgumentException(
                $"{(settings.Weighting == LossWeighting.LaterSteps ? $"Weighting {OptionWords.Of(settings.Weighting.Value)}" : $"Sampling of timesteps by {OptionWords.Of(settings.Timesteps)}")} needs discrete timesteps, and the model has the {OptionWords.Of(model.Schedule)} schedule; make it linear or cosine.");
        if (model.HasSigmas)
            return settings.Weighting is null ? settings : throw new ArgumentException(
                $"A model with the {OptionWords.Of(model.Schedule)} schedule has its own weighting of the levels; leave {nameof(TrainingSettings.Weighting)} null instead of {OptionWords.Of(settings.Weighting.Value)}.");
        var weighting = settings.Weighting ?? LossWeightingRules.Default(model.Prediction);
        if (!settings.AllowUnboundedWeighting && LossWeightingRules.Unbounded(model, weighting) is { } numbers)
            throw new ArgumentException(
                $"Weighting {OptionWords.Of(weighting)} grows without bound where the network predicts {OptionWords.Of(model.Prediction)} on the {OptionWords.Of(model.Schedule)} schedule: {numbers} Leave {nameof(TrainingSettings.Weighting)} null for {OptionWords.Of(LossWeightingRules.Default(model.Prediction))}, or force it by {nameof(TrainingSettings.AllowUnboundedWeighting)}.");
        return settings with { Weighting = weighting };
    }

    /// <summary>Which of the network's labels the training will show it, the null class included.</summary>
    private static HashSet<int> ShownLabels(DiffusionModel model, ITrainingImages data, double nullProbability)
    {
        HashSet<int> shown = nullProbability < 1 ? [.. data.Labels.Span] : [];
        if (nullProbability > 0) shown.Add(model.Settings.ClassNames.Length);
        return shown;
    }

    private Plan Record(int batch)
    {
        var network = Model.Network.Config;
        var b = new PlanBuilder(Model.Kernels, Model.Parameters) { Training = true, Images = batch };
        var x = b.Input("x", new Shape(batch, network.ImageSize, network.ImageSize, network.InChannels));
        var sampleIndex = b.Input("sample_index", new Shape(batch));
        var target = Model.Settings.Prediction switch
        {
            _ when Model.Settings.HasSigmas => PredictionTarget.X0,
            PredictionType.X0 => PredictionTarget.X0,
            PredictionType.V => PredictionTarget.V,
            _ => PredictionTarget.Eps,
        };
        var (z, wanted) = b.AddNoise(x, b.Input("alpha", new Shape(batch)), b.Input("sigma", new Shape(batch)), sampleIndex, _seed, _step, target);
        // What a preconditioned network has to predict is another mixture of the image and the same noise.
        if (Model.Settings.HasSigmas)
            wanted = b.AddNoise(x, b.Input("target_alpha", new Shape(batch)), b.Input("target_sigma", new Shape(batch)), sampleIndex, _seed, _step, target).Z;
        var labels = !Model.IsConditional ? null : b.Input("labels", new Shape(batch));
        var prediction = Model.Network.Record(b, z, b.Input("timesteps", new Shape(batch)), labels, new DropoutSource(_seed, _step, sampleIndex));
        var (loss, rowLosses) = b.MseLoss(prediction, wanted, b.Input("row_weight", new Shape(batch)));
        if (_lossAware is not null) b.Output("row_losses", rowLosses);
        if (_bound is not null)
        {
            var importance = _lossAware is null ? null : b.Input("importance", new Shape(batch));
            var bound = b.VariationalBound(prediction, z, x, b.Input("variance_rows", _bound.Shape), importance);
            if (_lossAware is not null) b.Output("bound_row_losses", bound.RowLosses);
            loss = b.Add(loss, bound.Loss);
        }
        b.Output("loss", loss);
        b.Backward(loss, b.Input("d_loss", loss.Shape), parameters: true);
        b.Output("gradient_norm", b.AdamW(_optimiser, Average));
        return b.Build(Arena);
    }

    private void Note(double loss, double norm)
    {
        _lossSum += loss;
        if (Step % HistoryInterval != 0 && Step != Settings.Steps) return;
        long before = _history.Count > 0 ? _history[^1].Step : 0;
        _history.Add((Step, _lossSum / (Step - before)));
        _lossSum = 0;
        LogEvents.TrainingStep(Model.Logger, Step, Settings.Steps, _history[^1].Loss, norm, _optimiser.Value.LearningRate);
    }

    private double Read(TensorView view)
    {
        Model.Kernels.Download(view, _scalar);
        return _scalar[0];
    }
}
