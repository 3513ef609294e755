using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Schedules;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// Trains an <see cref="ImageClassifier"/>, a <see cref="ResNetClassifier"/>, or a <see cref="NoisyClassifier"/> on images with noise of a random level, by cross-entropy on randomly moved images, with
/// AdamW and a moving average of the weights. The result depends on data, settings and initial weights only, to the bit.
/// </summary>
public sealed class ClassifierTrainer : IDisposable
{
    private const int HistoryInterval = 25;

    private readonly UseGuard _guard = new(nameof(ClassifierTrainer), "A trainer serves one caller at a time.");
    private readonly Parameters _parameters, _average;
    private readonly int _size, _channels;
    private readonly Augmentation _augmentation;
    private readonly TrainingSettings _optimisation;
    private readonly BatchSource _source;
    private readonly Plan _plan;
    private readonly Slot<AdamWStep> _optimiser = new();
    private readonly Slot<ulong> _seed = new();
    private readonly Slot<uint> _step = new();
    private readonly Func<uint, uint, NoiseLevel>? _levelAt;
    private readonly float[] _pixels, _alpha, _sigma, _timesteps, _scalar = new float[1];
    private readonly int[] _labels;
    private readonly List<(long Step, double Loss)> _history = [];
    private readonly ILogger _logger;
    private readonly string _subject;
    private double _lossSum;

    /// <summary>Prepares the training of a classifier of clean images.</summary>
    /// <param name="classifier">Trained in place; it outlives the trainer.</param>
    /// <param name="data">Labelled images, at most as large as the network's.</param>
    /// <param name="settings">Epochs, batch, learning rate, ...</param>
    /// <param name="logger">Told how the training goes.</param>
    /// <exception cref="ArgumentException">Data and classifier do not fit, or a setting is out of range.</exception>
    public ClassifierTrainer(ImageClassifier classifier, ImageDataset data, ClassifierTrainingSettings settings, ILogger? logger = null)
        : this(classifier, RequireFit(data, classifier, classifier.Fit), settings, logger, null, (b, images, _, _) => classifier.Network.Record(b, images).Logits) { }

    /// <summary>Prepares the training of a classifier of noisy images: noise of the levels that its model's training shows, uniform over timesteps where there are any.</summary>
    /// <param name="classifier">Trained in place; it outlives the trainer.</param>
    /// <param name="data">Labelled images, at most as large as the network's.</param>
    /// <param name="settings">Epochs, batch, learning rate, ...</param>
    /// <param name="logger">Told how the training goes.</param>
    /// <exception cref="ArgumentException">Data and classifier do not fit, a setting is out of range, or the classifier does not know its noise levels.</exception>
    public ClassifierTrainer(NoisyClassifier classifier, ImageDataset data, ClassifierTrainingSettings settings, ILogger? logger = null)
        : this(
            classifier, RequireFit(data, classifier, classifier.Fit), settings, logger,
            classifier.Settings ?? throw new ArgumentException("A noisy classifier is trained on the noise levels of its model, and this one was made without them."),
            (b, images, timesteps, dropout) => classifier.Network.Record(b, images, timesteps!, dropout)) { }

    /// <summary>Prepares the training of a ResNet of clean images, without BatchNorms.</summary>
    /// <param name="classifier">Trained in place; it outlives the trainer.</param>
    /// <param name="data">Labelled square images.</param>
    /// <param name="settings">Epochs, batch, learning rate, ...</param>
    /// <param name="logger">Told how the training goes.</param>
    /// <exception cref="ArgumentException">Data and classifier do not fit, or a setting is out of range.</exception>
    public ClassifierTrainer(ResNetClassifier classifier, ImageDataset data, ClassifierTrainingSettings settings, ILogger? logger = null)
        : this(classifier, RequireFit(data, classifier, d => d.PadTo(Math.Max(d.Height, d.Width))), settings, logger, null, (b, images, _, _) => classifier.RecordLogits(b, images, images)) { }

    private ClassifierTrainer(
        IClassifierNetwork classifier, ImageDataset data, ClassifierTrainingSettings settings, ILogger? logger, DiffusionSettings? noise,
        Func<PlanBuilder, Tensor, Tensor?, DropoutSource?, Tensor> record)
    {
        (_parameters, _size, _channels, Settings) = (classifier.Parameters, data.Height, data.Channels, settings);
        (_logger, _subject) = (logger ?? NullLogger.Instance, classifier.GetType().Name);
        _optimisation = settings.ForImages(data.Count);
        _source = new BatchSource(data, settings.Seed);
        int batch = settings.BatchSize;
        _labels = new int[batch];
        (_alpha, _sigma, _timesteps) = (new float[batch], new float[batch], new float[batch]);
        _pixels = new float[checked(batch * data.RowLength)];
        _augmentation = new Augmentation(settings.Seed, _size, _channels, settings.MaxShift, flip: false);
        _seed.Value = settings.Seed;
        if (noise is not null) _levelAt = TrainingLevels.Of(noise, settings.Seed);
        _average = _parameters.Clone();
        _plan = Record(record);
    }

    /// <summary>Epochs, batch, learning rate, ...</summary>
    public ClassifierTrainingSettings Settings { get; }

    /// <summary>Optimiser steps of the whole training.</summary>
    public int Steps => _optimisation.Steps;

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Mean loss of every 25 steps so far, with the last step of the 25.</summary>
    public IReadOnlyList<(long Step, double Loss)> History => _history;

    /// <summary>Trains to the end and gives the averaged weights to the classifier.</summary>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Checked between steps.</param>
    /// <exception cref="OperationCanceledException">Cancelled; the classifier is left half trained.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient became NaN or infinite.</exception>
    public void Run(IProgress<TrainingStep>? progress = null, CancellationToken cancellation = default)
    {
        long began = Stopwatch.GetTimestamp();
        LogEvents.TrainingStarts(_logger, _subject, Step, Steps, Settings.BatchSize);
        while (Step < Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            var step = RunStep();
            progress?.Report(step);
        }
        _parameters.CopyValuesFrom(_average);
        LogEvents.TrainingEnds(_logger, Step, Stopwatch.GetElapsedTime(began).TotalSeconds);
    }

    /// <summary>Trains to the end in a thread of its own. The trainer is in use until the task has ended.</summary>
    /// <param name="progress">Told after each step, in the training thread.</param>
    /// <param name="cancellation">Checked between steps.</param>
    /// <returns>A task with the exceptions of <see cref="Run"/>.</returns>
    public Task RunAsync(IProgress<TrainingStep>? progress = null, CancellationToken cancellation = default) => OwnThread.Run(
        () =>
        {
            Run(progress, cancellation);
            return true;
        },
        cancellation);

    /// <summary>Frees the plan and the averaged weights.</summary>
    /// <exception cref="InvalidOperationException">The trainer is in the middle of a step.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        _plan.Dispose();
        _average.Dispose();
    }

    private static ImageDataset RequireFit(ImageDataset data, IClassifierNetwork classifier, Func<ImageDataset, ImageDataset> fit) => data.ClassCount > classifier.Classes
        ? throw new ArgumentException($"The data have {data.ClassCount} classes, the classifier {classifier.Classes}.") : fit(data);

    private TrainingStep RunStep()
    {
        using var use = _guard.Write();
        Prepare();
        _plan.Run();
        double loss = Read(_plan.Output("loss")), norm = Read(_plan.Output("gradient_norm"));
        if (!double.IsFinite(loss) || !double.IsFinite(norm))
        {
            LogEvents.TrainingDiverged(_logger, Step + 1, loss, norm);
            throw new TrainingDivergedException(Step + 1, loss, norm);
        }
        Step++;
        _lossSum += loss;
        if (Step % HistoryInterval == 0 || Step == Steps)
        {
            _history.Add((Step, _lossSum / ((Step - 1) % HistoryInterval + 1)));
            _lossSum = 0;
            LogEvents.TrainingStep(_logger, Step, Steps, _history[^1].Loss, norm, _optimiser.Value.LearningRate);
        }
        return new TrainingStep(Step, loss, norm, _optimiser.Value.LearningRate);
    }

    private Plan Record(Func<PlanBuilder, Tensor, Tensor?, DropoutSource?, Tensor> record)
    {
        var b = new PlanBuilder(_parameters.Kernels, _parameters) { Training = true, Images = Settings.BatchSize };
        Tensor Row(string name) => b.Input(name, new Shape(Settings.BatchSize));
        var images = b.Input("images", new Shape(Settings.BatchSize, _size, _size, _channels));
        Tensor? timesteps = null;
        DropoutSource? dropout = null;
        if (_levelAt is not null)
        {
            var sampleIndex = Row("sample_index");
            images = b.AddNoise(images, Row("alpha"), Row("sigma"), sampleIndex, _seed, _step, PredictionTarget.X0).Z;
            (timesteps, dropout) = (Row("timesteps"), new DropoutSource(_seed, _step, sampleIndex));
        }
        var loss = b.Output("loss", b.CrossEntropyLoss(record(b, images, timesteps, dropout), Row("labels")));
        b.Backward(loss, b.Input("d_loss", loss.Shape), parameters: true);
        b.Output("gradient_norm", b.AdamW(_optimiser, _average));
        return b.Build();
    }

    private void Prepare()
    {
        _optimiser.Value = _optimisation.OptimiserAt(Step);
        _source.Fill(Step, Settings.BatchSize, _pixels, _labels);
        _augmentation.Apply((uint)Step, _pixels);
        var kernels = _parameters.Kernels;
        kernels.Upload(_pixels, _plan.Input("images"));
        kernels.Upload(_labels, _plan.Input("labels"));
        kernels.Upload([1f], _plan.Input("d_loss"));
        if (_levelAt is not null) PrepareNoise(_levelAt, kernels);
    }

    private void PrepareNoise(Func<uint, uint, NoiseLevel> levelAt, IKernels kernels)
    {
        _step.Value = (uint)Step;
        for (int i = 0; i < _alpha.Length; i++)
        {
            var level = levelAt((uint)i, (uint)Step);
            (_alpha[i], _sigma[i], _timesteps[i]) = ((float)level.Alpha, (float)level.Sigma, (float)level.Timestep);
        }
        kernels.Upload(_alpha, _plan.Input("alpha"));
        kernels.Upload(_sigma, _plan.Input("sigma"));
        kernels.Upload(_timesteps, _plan.Input("timesteps"));
        kernels.Upload([.. Enumerable.Range(0, _alpha.Length)], _plan.Input("sample_index"));
    }

    private double Read(TensorView view)
    {
        _parameters.Kernels.Download(view, _scalar);
        return _scalar[0];
    }
}
