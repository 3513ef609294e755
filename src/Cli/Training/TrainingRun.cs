using System.Diagnostics;
using System.Text.Json.Nodes;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Training;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli.Training;

/// <summary>A training and its folder: steps, checkpoints, samples, log.</summary>
internal sealed class TrainingRun : IDisposable
{
    private const double LossSmoothing = 0.98;
    private const int MostSampledClasses = 10;

    // The first steps make what the others find.
    private const int TimedStep = 3;

    private static readonly double[] SampledStrengths = [0, 1, 2, 4];

    private readonly RunFolder _folder;
    private readonly RunLock _lock;
    private readonly Trainer _trainer;
    private readonly TrainingData _data;
    private DiffusionModel? _averaged;
    private long _savedStep;
    private GuidedSampler? _sampler;

    private TrainingRun(RunFolder folder, RunLock @lock, Trainer trainer, TrainingData data) =>
        (_folder, _lock, _trainer, _data, _savedStep) = (folder, @lock, trainer, data, trainer.Step);

    /// <summary>Starts a training and saves its first checkpoint, so that an unwritable or full disk shows at once.</summary>
    public static TrainingRun Start(CliContext context, RunFolder folder, DataSource source, TrainingPlan plan, IKernels kernels, bool force)
    {
        var owned = folder.Prepare(force);
        TrainingData? data = null;
        DiffusionModel? model = null;
        Trainer? trainer = null;
        try
        {
            data = source.Open(context, folder.Folder);
            var images = data.Images;
            // A class that no image is given would be a row of the network that nothing trains.
            bool nullClass = plan.Training.NullProbability > 0;
            var network = Presets.For(plan.Network, images, nullClass);
            var diffusion = plan.Diffusion with { ClassNames = [.. images.ClassNames], NullClass = nullClass, DataSize = Math.Max(images.Height, images.Width) };
            model = new DiffusionModel(network, diffusion, kernels, plan.Training.Seed);
            trainer = new Trainer(model, images.PadTo(network.ImageSize), plan.Training);
            RunFolder.NoteData(source, trainer);
            // What was there before is whole until this, and gone with it: the other files follow from the checkpoint.
            trainer.Save(folder.Checkpoint);
            folder.WriteSettings(source, trainer);
            folder.RemoveAfter(0);
            return new TrainingRun(folder, owned, trainer, data);
        }
        catch
        {
            trainer?.Dispose();
            model?.Dispose();
            data?.Dispose();
            owned.Dispose();
            throw;
        }
    }

    /// <summary>Goes on with a training.</summary>
    /// <param name="context">Where progress goes.</param>
    /// <param name="folder">Its folder.</param>
    /// <param name="named">The data, if the user named them; else those of the start.</param>
    /// <param name="kernels">The device.</param>
    /// <param name="steps">How many steps it is to have in all, if not as many as at its start.</param>
    public static TrainingRun Resume(CliContext context, RunFolder folder, DataSource? named, IKernels kernels, int? steps)
    {
        if (!File.Exists(folder.Checkpoint)) throw new FileNotFoundException($"'{folder.Folder}' holds no training to resume: there is no '{folder.Checkpoint}'.");
        var owned = folder.Own();
        TrainingData? data = null;
        try
        {
            int size;
            DataSource source;
            using (var file = SafetensorsFile.Open(folder.Checkpoint))
            {
                size = ModelMetadata.Read(file).Network.ImageSize;
                source = named ?? folder.ReadDataSource(file.Metadata);
            }
            data = source.Open(context, folder.Folder);
            var trainer = Trainer.Resume(folder.Checkpoint, data.Images.PadTo(size), kernels, steps: steps);
            RunFolder.NoteData(source, trainer);
            folder.RemoveAfter(trainer.Step);
            return new TrainingRun(folder, owned, trainer, data);
        }
        catch
        {
            data?.Dispose();
            owned.Dispose();
            throw;
        }
    }

    /// <summary>Trains until the end, Ctrl-C or the session's last step, and saves.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="DeviceException">The device failed; the message says what is saved and how to go on.</exception>
    public int Train(CliContext context, SessionOptions options)
    {
        try
        {
            return RunSession(context, options);
        }
        catch (DeviceException e)
        {
            throw new DeviceException(
                $"{e.Message} The training is saved at step {_savedStep} of {_trainer.Settings.Steps}; go on with it: nativediffusion train --resume --out {_folder.Folder}", e);
        }
    }

    public void Dispose()
    {
        _sampler?.Dispose();
        _averaged?.Dispose();
        _trainer.Dispose();
        _trainer.Model.Dispose();
        _data.Dispose();
        _lock.Dispose();
    }

    private int RunSession(CliContext context, SessionOptions options)
    {
        long first = _trainer.Step, end = Math.Min(_trainer.Settings.Steps, first + (options.StopAfter ?? int.MaxValue));
        long start = Stopwatch.GetTimestamp();
        double smoothed = _trainer.History.Count > 0 ? _trainer.History[^1].Loss : double.NaN;
        using (var log = _folder.OpenLog(first))
        {
            ConsoleProgress.Run(context, "step", first, end, progress =>
            {
                if (_trainer.Step == first && first < end) Introduce(progress);
                while (_trainer.Step < end && !context.Cancellation.IsCancellationRequested)
                {
                    long before = Stopwatch.GetTimestamp();
                    var step = _trainer.RunStep();
                    double speed = _trainer.Settings.BatchSize / Stopwatch.GetElapsedTime(before).TotalSeconds;
                    smoothed = double.IsNaN(smoothed) ? step.Loss : LossSmoothing * smoothed + (1 - LossSmoothing) * step.Loss;
                    RunFolder.LogStep(log, step, speed);
                    progress.Report(step.Step, FormattableString.Invariant($"loss {smoothed:0.0000}  {speed:0.0} images/s"));
                    if (step.Step == first + TimedStep && end > first + TimedStep)
                        progress.WriteLine(FormattableString.Invariant($"a step takes {Stopwatch.GetElapsedTime(before).TotalSeconds:0.00} s: the {end - step.Step} steps that are left take about ")
                            + ConsoleProgress.Duration(Stopwatch.GetElapsedTime(before).TotalSeconds * (end - step.Step)));
                    if (options.SampleEvery > 0 && step.Step % options.SampleEvery == 0) WriteSamples();
                    if (step.Step % options.SaveEvery == 0 && step.Step < end) Save();
                }
            });
            Save();
            bool ended = _trainer.Step >= _trainer.Settings.Steps;
            if (ended && options.SampleEvery > 0 && _trainer.Step % options.SampleEvery != 0) WriteSamples();
        }
        return Finish(context, options, first, Stopwatch.GetElapsedTime(start).TotalSeconds, smoothed);
    }

    private void Introduce(ConsoleProgress progress)
    {
        var (network, settings) = (_trainer.Model.Network.Config, _trainer.Model.Settings);
        progress.WriteLine(FormattableString.Invariant(
            $"{_trainer.Model.Parameters.Count / 1e6:0.00} M parameters, {network.ImageSize}x{network.ImageSize}x{network.InChannels}, {settings.ClassNames.Length} classes, ")
            + FormattableString.Invariant($"batch {_trainer.Settings.BatchSize}, {TrainingEstimate.MemoryOf(_trainer) / 1e6:0} MB; everything goes to {_folder.Folder}"));
    }

    private void Save()
    {
        // Before the checkpoint: whoever goes on from it never writes those of its step again.
        if (_trainer.Settings.PowerAverages.Length > 0) _trainer.SavePowerAverages(Directory.CreateDirectory(_folder.Averages).FullName);
        _trainer.Save(_folder.Checkpoint);
        _savedStep = _trainer.Step;
        _trainer.SaveModel(_folder.Model, DType.F16);
        LossChart.Write(_folder.LossChart, _trainer.History, "Training loss");
    }

    private void WriteSamples()
    {
        var model = _trainer.Model;
        _averaged ??= new DiffusionModel(model.Network.Config, model.Settings, model.Kernels);
        _sampler ??= new GuidedSampler(_averaged, new SamplerSettings(), new GuidedSamplerOptions { Seed = _trainer.Settings.Seed }, _trainer.Arena);
        _averaged.Parameters.CopyValuesFrom(_trainer.Average);
        var selection = SampleSelection.Preview(_averaged, MostSampledClasses, SampledStrengths);
        PngWriter.Write(_folder.Samples(_trainer.Step), SampleOutput.Grid(_sampler.Sample(selection.Requests), selection));
    }

    private int Finish(CliContext context, SessionOptions options, long first, double seconds, double loss)
    {
        bool done = _trainer.Step >= _trainer.Settings.Steps;
        if (_data.Pack is { } pack) PictureSummary.WriteLeftOut(context.Error, pack);
        long steps = _trainer.Step - first;
        if (options.Json)
            JsonReport.Write(context.Out, new JsonObject
            {
                ["step"] = _trainer.Step, ["steps"] = _trainer.Settings.Steps, ["done"] = done, ["loss"] = double.IsNaN(loss) ? null : loss, ["seconds"] = Math.Round(seconds, 3),
                ["images_per_s"] = Math.Round(steps * _trainer.Settings.BatchSize / seconds, 3), ["model"] = _folder.Model, ["checkpoint"] = _folder.Checkpoint,
            });
        else if (done)
            context.Out.WriteLine($"Trained {_trainer.Step} steps. Draw with it: nativediffusion sample --model {_folder.Model} --out samples.png");
        else
            context.Out.WriteLine($"Saved at step {_trainer.Step} of {_trainer.Settings.Steps}. Go on with it: nativediffusion train --resume --out {_folder.Folder}");
        return done || !context.Cancellation.IsCancellationRequested ? ExitCode.Success : ExitCode.Interrupted;
    }
}
