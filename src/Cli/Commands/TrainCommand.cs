using System.CommandLine;
using NativeDiffusion.Cli.Training;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion train</c>: trains a model, or goes on with an interrupted training.</summary>
internal sealed class TrainCommand
{
    private const string Description = "Train a guided diffusion model.";

    private const string Details =
        """
        Examples:
          nativediffusion train --preset quick
              a small model of the digits that come with the tool, in runs/quick
          nativediffusion train --images train-images-idx3-ubyte.gz --labels train-labels-idx1-ubyte.gz --out runs/fashion
              any data in the format of MNIST
          nativediffusion train --folder photos --preset digits --out runs/photos
              PNG files, in one sub-folder per class
          nativediffusion train --resume --out runs/quick
              go on after Ctrl-C: the result equals that of an uninterrupted training to the bit

        The folder --out receives: model.safetensors (to sample from), checkpoint.safetensors (to resume from), samples-*.png, loss.svg, log.csv
        and settings.json.
        """;

    private static readonly (string, NetworkPreset)[] PresetNames = [("quick", NetworkPreset.Quick), ("digits", NetworkPreset.Digits)];

    public static readonly (string Name, PredictionType Value)[] PredictionNames = [("eps", PredictionType.Eps), ("x0", PredictionType.X0), ("v", PredictionType.V)];

    public static readonly (string Name, NoiseScheduleKind Value)[] ScheduleNames =
        [("linear", NoiseScheduleKind.Linear), ("cosine", NoiseScheduleKind.Cosine), ("continuous", NoiseScheduleKind.Continuous)];

    public static readonly (string Name, LossWeighting Value)[] WeightingNames =
    [
        ("simple", LossWeighting.Simple), ("uniform-v", LossWeighting.UniformV), ("uniform-x0", LossWeighting.UniformX0), ("min-snr", LossWeighting.MinSnr),
    ];

    private readonly Option<NetworkPreset> _preset = CliOptions.Choice(
        "--preset", "Size of the network and of the training: quick takes about ten minutes, digits takes longer and is better.", PresetNames);

    private readonly Option<string?> _images = CliOptions.Text("--images", "FILE", "Images in IDX format, plain or gzip. Left out: the digits that come with the tool.");
    private readonly Option<string?> _labels = CliOptions.Text("--labels", "FILE", "Labels in IDX format, for --images.");
    private readonly Option<string?> _folder = CliOptions.Text("--folder", "DIR", "Folder of PNG images with one sub-folder per class, instead of --images.");
    private readonly Option<string?> _out = CliOptions.Text("--out", "DIR", "Where the training is kept. [default: runs/ and the name of the preset]");
    private readonly Option<int?> _steps = CliOptions.OptionalInteger("--steps", "N", "Optimiser steps in all. [default: the preset's]", 1);
    private readonly Option<int?> _batch = CliOptions.OptionalInteger("--batch", "N", "Images per step. [default: the preset's]", 1, 65536);
    private readonly Option<double?> _rate = CliOptions.OptionalNumber("--lr", "X", "Peak learning rate. [default: the preset's]", 1e-12, 10);
    private readonly Option<int?> _warmup = CliOptions.OptionalInteger("--warmup", "N", "Steps until the peak learning rate. [default: the preset's]", 0);

    private readonly Option<double?> _nullProbability = CliOptions.OptionalNumber(
        "--null-probability", "X",
        "How often the label is hidden, which is what guidance learns from: with 0 the model follows its classes and cannot be guided, with 1 it learns no class. [default: 0.1]", 0, 1);

    private readonly Option<PredictionType?> _prediction = CliOptions.OptionalChoice<PredictionType>(
        "--prediction", "What the network predicts.", PredictionNames, "v");

    private readonly Option<NoiseScheduleKind?> _schedule = CliOptions.OptionalChoice<NoiseScheduleKind>(
        "--schedule", "Noise levels.", ScheduleNames, "cosine");

    private readonly Option<LossWeighting?> _weighting = CliOptions.OptionalChoice<LossWeighting>(
        "--weighting", "Weight of the noise levels in the loss.", WeightingNames, "that of the prediction: simple for eps, uniform-x0 for x0, uniform-v for v");

    private readonly Option<bool> _unbounded = new("--allow-unbounded-weighting")
    {
        Description = "Train with a --weighting that grows without bound for the --prediction, as uniform-v does for eps.",
    };

    private readonly Option<double?> _dropout = CliOptions.OptionalNumber("--dropout", "X", "Dropout in the residual blocks. [default: 0]", 0, 0.99);
    private readonly Option<ulong> _seed = CliOptions.Seed("weights, order of the images and noise");
    private readonly DeviceOption _device = new();
    private readonly Option<int> _sampleEvery = CliOptions.Integer("--sample-every", "N", "Steps between two grids of samples; 0 for none.", 500, 0);
    private readonly Option<int> _saveEvery = CliOptions.Integer("--save-every", "N", "Steps between two checkpoints.", 500, 1);
    private readonly Option<int?> _stopAfter = CliOptions.OptionalInteger("--stop-after", "N", "Save and stop after N steps of this session; --resume goes on.", 1);
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on with the training in --out exactly where it was saved." };
    private readonly Option<bool> _force = new("--force") { Description = "Start anew although --out holds a training already." };
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var train = new TrainCommand();
        var command = new CliCommand("train", Description, Details)
        {
            train._preset, train._images, train._labels, train._folder, train._out, train._steps, train._batch, train._rate, train._warmup,
            train._nullProbability, train._prediction, train._schedule, train._weighting, train._unbounded, train._dropout, train._seed, train._device.Device, train._device.Threads, train._device.Math,
            train._sampleEvery, train._saveEvery, train._stopAfter, train._resume, train._force, train._json,
        };
        command.SetAction(parsed => train.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        var data = CheckOptions(parsed);
        var folder = new RunFolder(parsed.GetValue(_out) ?? Path.Combine("runs", PresetNames.NameOf(parsed.GetValue(_preset))));
        using var kernels = _device.Open(parsed);
        using var run = parsed.GetValue(_resume)
            ? TrainingRun.Resume(folder, data, kernels)
            : TrainingRun.Start(folder, data ?? new DataSource(), PlanFrom(parsed), kernels, parsed.GetValue(_force));
        return run.Train(context, new SessionOptions
        {
            SampleEvery = parsed.GetValue(_sampleEvery),
            SaveEvery = parsed.GetValue(_saveEvery),
            StopAfter = parsed.GetValue(_stopAfter),
            Json = parsed.GetValue(_json),
        });
    }

    /// <summary>Checks what excludes what; returns the data that the user named, or null.</summary>
    private DataSource? CheckOptions(ParseResult parsed)
    {
        Option[] fixedAtStart = [_preset, _steps, _batch, _rate, _warmup, _nullProbability, _prediction, _schedule, _weighting, _unbounded, _dropout, _seed, _force];
        if (parsed.GetValue(_resume))
        {
            string[] given = [.. fixedAtStart.Where(parsed.IsGiven).Select(o => o.Name)];
            // The preset also names the default folder, so it is allowed where it does that.
            if (!parsed.IsGiven(_out)) given = [.. given.Where(name => name != _preset.Name)];
            if (given.Length > 0) throw new UsageException($"--resume goes on with the settings of the checkpoint; {string.Join(", ", given)} cannot be given with it.");
        }
        var (images, labels, folder) = (parsed.GetValue(_images), parsed.GetValue(_labels), parsed.GetValue(_folder));
        if (images is null != labels is null) throw new UsageException("--images and --labels belong together; give both.");
        if (images is not null && folder is not null) throw new UsageException("--images and --folder are two kinds of data; give one of them.");
        return images is null && folder is null ? null : new DataSource { Images = images, Labels = labels, Folder = folder };
    }

    private TrainingPlan PlanFrom(ParseResult parsed)
    {
        bool quick = parsed.GetValue(_preset) == NetworkPreset.Quick;
        var network = quick ? Presets.Quick : Presets.Digits;
        var training = quick ? Presets.QuickTraining : Presets.DigitsTraining;
        int steps = parsed.GetValue(_steps) ?? training.Steps;
        var diffusion = Presets.Diffusion with
        {
            Prediction = parsed.GetValue(_prediction) ?? Presets.Diffusion.Prediction,
            Schedule = parsed.GetValue(_schedule) ?? Presets.Diffusion.Schedule,
        };
        if (parsed.GetValue(_weighting) is { } weighting && !parsed.GetValue(_unbounded) && LossWeightingRules.Unbounded(diffusion, weighting) is { } numbers)
            throw new UsageException(
                $"--weighting {OptionWords.Of(weighting)} grows without bound with --prediction {OptionWords.Of(diffusion.Prediction)} and --schedule {OptionWords.Of(diffusion.Schedule)}: {numbers} "
                + $"Leave it out for {OptionWords.Of(LossWeightingRules.Default(diffusion.Prediction))}, or force it by {_unbounded.Name}.");
        return new TrainingPlan(
            network with { Dropout = parsed.GetValue(_dropout) ?? network.Dropout },
            diffusion,
            training with
            {
                Steps = steps,
                BatchSize = parsed.GetValue(_batch) ?? training.BatchSize,
                LearningRate = parsed.GetValue(_rate) ?? training.LearningRate,
                WarmupSteps = parsed.GetValue(_warmup) ?? Math.Min(training.WarmupSteps, steps / 10),
                NullProbability = parsed.GetValue(_nullProbability) ?? training.NullProbability,
                Weighting = parsed.GetValue(_weighting),
                AllowUnboundedWeighting = parsed.GetValue(_unbounded),
                Seed = parsed.GetValue(_seed),
            });
    }

    private enum NetworkPreset { Quick, Digits }
}
