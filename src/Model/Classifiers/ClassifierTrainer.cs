using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Classifiers;

/// <summary>
/// Trains an <see cref="ImageClassifier"/> by cross-entropy on randomly moved images, with AdamW and a moving average of the weights. The
/// result depends on data, settings and initial weights only, to the bit.
/// </summary>
public sealed class ClassifierTrainer : IDisposable
{
    private readonly UseGuard _guard = new(nameof(ClassifierTrainer), "A trainer serves one caller at a time.");
    private readonly ImageClassifier _classifier;
    private readonly TrainingSettings _optimisation;
    private readonly BatchSource _source;
    private readonly Parameters _average;
    private readonly Plan _plan;
    private readonly Slot<AdamWStep> _optimiser = new();
    private readonly float[] _pixels, _moved, _scalar = new float[1];
    private readonly int[] _labels;

    /// <summary>Prepares the training.</summary>
    /// <param name="classifier">Trained in place; it outlives the trainer.</param>
    /// <param name="data">Labelled images, at most as large as the network's.</param>
    /// <param name="settings">Epochs, batch, learning rate, ...</param>
    /// <exception cref="ArgumentException">Data and classifier do not fit, or a setting is out of range.</exception>
    public ClassifierTrainer(ImageClassifier classifier, ImageDataset data, ClassifierTrainingSettings settings)
    {
        (_classifier, Settings) = (classifier, settings);
        if (data.ClassCount > classifier.Config.Classes)
            throw new ArgumentException($"The data have {data.ClassCount} classes, the classifier {classifier.Config.Classes}.");
        data = classifier.Fit(data);
        _source = new BatchSource(data, settings.Seed);
        _optimisation = settings.ForImages(data.Count);
        _labels = new int[settings.BatchSize];
        _pixels = new float[checked(settings.BatchSize * data.RowLength)];
        _moved = new float[_pixels.Length];
        _average = classifier.Parameters.Clone();
        _plan = Record();
    }

    /// <summary>Epochs, batch, learning rate, ...</summary>
    public ClassifierTrainingSettings Settings { get; }

    /// <summary>Optimiser steps of the whole training.</summary>
    public int Steps => _optimisation.Steps;

    /// <summary>Steps done.</summary>
    public long Step { get; private set; }

    /// <summary>Trains to the end and gives the averaged weights to the classifier.</summary>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellation">Checked between steps.</param>
    /// <exception cref="OperationCanceledException">Cancelled; the classifier is left half trained.</exception>
    /// <exception cref="TrainingDivergedException">Loss or gradient became NaN or infinite.</exception>
    public void Run(IProgress<TrainingStep>? progress = null, CancellationToken cancellation = default)
    {
        while (Step < Steps)
        {
            cancellation.ThrowIfCancellationRequested();
            var step = RunStep();
            progress?.Report(step);
        }
        _classifier.Parameters.CopyValuesFrom(_average);
    }

    /// <summary>Frees the plan and the averaged weights.</summary>
    /// <exception cref="InvalidOperationException">The trainer is in the middle of a step.</exception>
    public void Dispose()
    {
        if (!_guard.End()) return;
        _plan.Dispose();
        _average.Dispose();
    }

    private TrainingStep RunStep()
    {
        using var use = _guard.Write();
        Prepare();
        _plan.Run();
        double loss = Read(_plan.Output("loss")), norm = Read(_plan.Output("gradient_norm"));
        if (!double.IsFinite(loss) || !double.IsFinite(norm)) throw new TrainingDivergedException(Step + 1, loss, norm);
        Step++;
        return new TrainingStep(Step, loss, norm, _optimiser.Value.LearningRate);
    }

    private Plan Record()
    {
        var config = _classifier.Config;
        var b = new PlanBuilder(_classifier.Kernels, _classifier.Parameters) { Training = true, Images = Settings.BatchSize };
        var images = b.Input("images", new Shape(Settings.BatchSize, config.ImageSize, config.ImageSize, config.InChannels));
        var (_, logits) = _classifier.Network.Record(b, images);
        var loss = b.Output("loss", b.CrossEntropyLoss(logits, b.Input("labels", new Shape(Settings.BatchSize))));
        b.Backward(loss, b.Input("d_loss", loss.Shape), parameters: true);
        b.Output("gradient_norm", b.AdamW(_optimiser, _average));
        return b.Build();
    }

    private void Prepare()
    {
        _optimiser.Value = _optimisation.OptimiserAt(Step);
        _source.Fill(Step, Settings.BatchSize, _pixels, _labels);
        int row = _pixels.Length / Settings.BatchSize;
        for (int i = 0; i < Settings.BatchSize; i++) Move(_pixels.AsSpan(i * row, row), _moved.AsSpan(i * row, row), Shift(i, 0), Shift(i, 1));
        var kernels = _classifier.Kernels;
        kernels.Upload(_moved, _plan.Input("images"));
        kernels.Upload(_labels, _plan.Input("labels"));
        kernels.Upload([1f], _plan.Input("d_loss"));
    }

    private int Shift(int row, uint axis) =>
        (int)(Philox.Uniform(Settings.Seed, (uint)row, (uint)Step, RandomStream.Augment, axis) * (2 * Settings.MaxShift + 1)) - Settings.MaxShift;

    // Pixels that come from outside repeat the border, which is background wherever images were padded.
    private void Move(ReadOnlySpan<float> source, Span<float> destination, int down, int right)
    {
        int size = _classifier.Config.ImageSize, channels = _classifier.Config.InChannels;
        for (int y = 0; y < size; y++)
        {
            int line = Math.Clamp(y - down, 0, size - 1) * size;
            for (int x = 0; x < size; x++)
                source.Slice((line + Math.Clamp(x - right, 0, size - 1)) * channels, channels).CopyTo(destination[((y * size + x) * channels)..]);
        }
    }

    private double Read(TensorView view)
    {
        _classifier.Kernels.Download(view, _scalar);
        return _scalar[0];
    }
}
