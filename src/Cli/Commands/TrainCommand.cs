using System.CommandLine;
using NativeDiffusion.Cli.Training;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;

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
          nativediffusion train --folder photos --size 64 --flip --out runs/photos
              photographs of any size (JPEG, PNG, WebP, GIF, BMP), in one sub-folder for each class
          nativediffusion train --parquet train-00000-of-00001.parquet --size 32 --out runs/hub
              a data set as the Hugging Face hub serves it
          nativediffusion train --folder photos --preset photos64 --estimate
              how large that is, and how long it takes on this machine; --channels, --channel-mult, --blocks, --attention or --network change it
          nativediffusion train --resume --out runs/quick
              go on after Ctrl-C: the result equals that of an uninterrupted training to the bit
          nativediffusion train --resume --steps 40000 --out runs/quick
              go on beyond the steps that were planned, with the learning rate's decay stretched to the new end

          nativediffusion train --preset tutorial --tanh-head
              the perceptron of a tutorial, with its defects; without --tanh-head, without the worst of them
          nativediffusion train --preset edm --power-ema 0.05,0.1
              EDM's loss and noise levels, and averages from which `nativediffusion ema` makes others

        The folder --out receives: model.safetensors (to sample from), checkpoint.safetensors (to resume from), samples-*.png, loss.svg, log.csv
        and settings.json.
        """;

    private static readonly (string, NetworkPreset)[] PresetNames =
        [("quick", NetworkPreset.Quick), ("digits", NetworkPreset.Digits), ("photos32", NetworkPreset.Photos32), ("photos64", NetworkPreset.Photos64), ("photos128", NetworkPreset.Photos128), ("edm", NetworkPreset.Edm), ("tutorial", NetworkPreset.Tutorial)];

    public static readonly (string Name, PredictionType Value)[] PredictionNames = [("eps", PredictionType.Eps), ("x0", PredictionType.X0), ("v", PredictionType.V)];

    public static readonly (string Name, NoiseScheduleKind Value)[] ScheduleNames =
        [("linear", NoiseScheduleKind.Linear), ("cosine", NoiseScheduleKind.Cosine), ("continuous", NoiseScheduleKind.Continuous)];

    private readonly Option<NetworkPreset> _preset = CliOptions.Choice(
        "--preset", "Network and training: quick takes about ten minutes, digits takes longer and is better; photos32, photos64 and photos128 are for colour pictures (--estimate says how long they take) and taken for them by --size; edm is as quick with EDM's loss and noise levels; tutorial is a small perceptron, to learn from.",
        PresetNames);

    private readonly DataOptions _data = new();
    private readonly NetworkShapeOptions _shape = new();
    private readonly Option<bool> _estimate = new("--estimate") { Description = "Train nothing; say the network's size, the memory, and the time on this machine." };
    private readonly Option<string?> _out = CliOptions.Text("--out", "DIR", "Where the training is kept. [default: runs/ and the name of the preset]");
    private readonly TrainingOptions _training = new();

    private readonly Option<PredictionType?> _prediction = CliOptions.OptionalChoice<PredictionType>(
        "--prediction", "What the network predicts.", PredictionNames, "the preset's: v, for tutorial eps");

    private readonly Option<NoiseScheduleKind?> _schedule = CliOptions.OptionalChoice<NoiseScheduleKind>(
        "--schedule", "Noise levels.", ScheduleNames, "the preset's: cosine, for edm its own");

    private readonly Option<double?> _dropout = CliOptions.OptionalNumber("--dropout", "X", "Dropout in the residual blocks. [default: 0]", 0, 0.99);
    private readonly Option<bool> _tanhHead = new("--tanh-head") { Description = "With --preset tutorial: tanh at the end, as its source has it, which cannot predict noise beyond 1." };
    private readonly DeviceOption _device = new();
    private readonly Option<int> _sampleEvery = CliOptions.Integer("--sample-every", "N", "Steps between two grids of samples, besides that of the last step; 0 for none.", 500, 0);
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
            train._preset,
        };
        foreach (var option in train._data.All) command.Add(option);
        foreach (var option in (Option[])[train._out, train._prediction, train._schedule, train._dropout, train._tanhHead, .. train._shape.All]) command.Add(option);
        foreach (var option in train._training.All) command.Add(option);
        foreach (var option in new Option[]
        {
            train._device.Device, train._device.Threads, train._device.Math, train._sampleEvery, train._saveEvery, train._stopAfter, train._resume, train._force, train._estimate, train._json,
        })
            command.Add(option);
        command.SetAction(parsed => train.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        var data = CheckOptions(parsed);
        var folder = new RunFolder(parsed.GetValue(_out) ?? Path.Combine("runs", PresetNames.NameOf(PresetFrom(parsed))));
        using var kernels = _device.Open(parsed);
        if (parsed.GetValue(_estimate))
        {
            TrainingEstimate.Write(context, PlanFrom(parsed), (data ?? new DataSource()).Example(context), kernels, parsed.GetValue(_json));
            return ExitCode.Success;
        }
        using var run = parsed.GetValue(_resume)
            ? TrainingRun.Resume(context, folder, data, kernels, _training.Steps(parsed))
            : TrainingRun.Start(context, folder, data ?? new DataSource(), PlanFrom(parsed), kernels, parsed.GetValue(_force));
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
        Option[] fixedAtStart = [_preset, _prediction, _schedule, _dropout, _tanhHead, .. _shape.All, .. _training.FixedAtStart, _force, _estimate];
        if (parsed.GetValue(_resume))
        {
            string[] given = [.. fixedAtStart.Where(parsed.IsGiven).Select(o => o.Name)];
            // The preset also names the default folder, so it is allowed where it does that.
            if (!parsed.IsGiven(_out)) given = [.. given.Where(name => name != _preset.Name)];
            if (given.Length > 0) throw new UsageException($"--resume goes on with the settings of the checkpoint; {string.Join(", ", given)} cannot be given with it.");
        }
        return _data.From(parsed, parsed.IsGiven(_preset) ? SizeOf(parsed.GetValue(_preset)) : null);
    }

    // Photographs of a size ask for another network than digits do.
    private NetworkPreset PresetFrom(ParseResult parsed) => parsed.IsGiven(_preset) || !_data.ArePictures(parsed) ? parsed.GetValue(_preset) : _data.SizeFrom(parsed) switch
    {
        null or < 32 => NetworkPreset.Quick,
        <= 48 => NetworkPreset.Photos32,
        <= 96 => NetworkPreset.Photos64,
        _ => NetworkPreset.Photos128,
    };

    private static int? SizeOf(NetworkPreset preset) => preset switch
    {
        NetworkPreset.Photos32 => Presets.Photos32.ImageSize,
        NetworkPreset.Photos64 => Presets.Photos64.ImageSize,
        NetworkPreset.Photos128 => Presets.Photos128.ImageSize,
        _ => null,
    };

    private TrainingPlan PlanFrom(ParseResult parsed)
    {
        var preset = PresetFrom(parsed);
        var (network, training, levels) = preset switch
        {
            NetworkPreset.Quick => ((INetworkConfig)Presets.Quick, Presets.QuickTraining, Presets.Diffusion),
            NetworkPreset.Photos32 => (Presets.Photos32, Presets.PhotosTraining, Presets.Diffusion),
            NetworkPreset.Photos64 => (Presets.Photos64, Presets.PhotosTraining, Presets.Diffusion),
            NetworkPreset.Photos128 => (Presets.Photos128, Presets.PhotosTraining with { BatchSize = 16 }, Presets.Diffusion),
            NetworkPreset.Edm => (Presets.Edm, Presets.EdmTraining, Presets.EdmDiffusion),
            NetworkPreset.Tutorial => (Presets.Tutorial with { TanhHead = parsed.GetValue(_tanhHead) }, Presets.TutorialTraining, Presets.TutorialDiffusion),
            _ => (Presets.Digits, Presets.DigitsTraining, Presets.Diffusion),
        };
        string word = PresetNames.NameOf(preset);
        if (preset != NetworkPreset.Tutorial && parsed.GetValue(_tanhHead)) throw new UsageException($"{_tanhHead.Name} is the tutorial's; {_preset.Name} {word} has none.");
        if (levels.HasSigmas && (parsed.IsGiven(_prediction) || parsed.IsGiven(_schedule)))
            throw new UsageException($"{_preset.Name} {word} has its own noise levels and prediction; leave {_prediction.Name} and {_schedule.Name} out.");
        network = _shape.Apply(parsed, network, word);
        if (parsed.GetValue(_dropout) is { } dropout)
            network = network switch
            {
                UNetConfig unet => unet with { Dropout = dropout },
                DhariwalUNetConfig unet => unet with { Dropout = dropout },
                _ => throw new UsageException($"{_preset.Name} {word} has no dropout; leave {_dropout.Name} out."),
            };
        var diffusion = levels with { Prediction = parsed.GetValue(_prediction) ?? levels.Prediction, Schedule = parsed.GetValue(_schedule) ?? levels.Schedule };
        return new TrainingPlan(network, diffusion, _training.Apply(parsed, training, diffusion));
    }

    private enum NetworkPreset { Quick, Digits, Photos32, Photos64, Photos128, Edm, Tutorial }
}
