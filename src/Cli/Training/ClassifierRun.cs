using System.Diagnostics;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Cli.Training;

/// <summary>The training of a classifier: steps with a progress bar, a line for each epoch, and the curve of the loss beside the file.</summary>
/// <param name="trainer">Owned by the run.</param>
/// <param name="images">Number of images.</param>
/// <param name="path">The classifier's file.</param>
internal sealed class ClassifierRun(ClassifierTrainer trainer, int images, string path) : IDisposable
{
    /// <summary>The classifier's file.</summary>
    public string Path { get; } = path;

    /// <summary>Number of images.</summary>
    public int Images { get; } = images;

    public ClassifierTrainingSettings Settings => trainer.Settings;

    /// <summary>What the training took.</summary>
    public double Seconds { get; private set; }

    /// <summary>Mean loss of the last epoch.</summary>
    public double LastEpochLoss { get; private set; }

    /// <summary>Trains to the end.</summary>
    public void Train(CliContext context)
    {
        double sum = 0;
        long steps = 0, epoch = 1;
        var watch = Stopwatch.StartNew();
        ConsoleProgress.Run(context, "step", 0, trainer.Steps, progress => trainer.Run(new ImmediateProgress<TrainingStep>(step =>
        {
            (sum, steps) = (sum + step.Loss, steps + 1);
            double rate = step.Step * Settings.BatchSize / watch.Elapsed.TotalSeconds;
            progress.Report(step.Step, FormattableString.Invariant($"loss {sum / steps:0.0000}  {rate:0} images/s"));
            if (step.Step != trainer.Steps && step.Step * Settings.BatchSize < epoch * Images) return;
            LastEpochLoss = sum / steps;
            progress.WriteLine(FormattableString.Invariant($"epoch {epoch} of {Settings.Epochs}: loss {LastEpochLoss:0.0000}, {ConsoleProgress.Duration(watch.Elapsed.TotalSeconds)}"));
            (sum, steps, epoch) = (0, 0, epoch + 1);
        }), context.Cancellation));
        Seconds = watch.Elapsed.TotalSeconds;
        LossChart.Write(System.IO.Path.ChangeExtension(Path, ".svg"), trainer.History, "Training loss");
    }

    public void Dispose() => trainer.Dispose();
}
