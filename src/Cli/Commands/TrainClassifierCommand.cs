using System.CommandLine;
using System.Diagnostics;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Training;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion train-classifier</c>: trains the classifier that judges generated images.</summary>
internal sealed class TrainClassifierCommand
{
    private const string Description = "Train a small classifier on clean images, to judge generated ones with the command classify.";

    private const string Details =
        """
        Examples:
          nativediffusion train-classifier --out classifier.safetensors
              the digits that come with the tool, tested on the 10,000 test digits
          nativediffusion train-classifier --images train-images.gz --labels train-labels.gz --test-images t10k-images.gz --test-labels t10k-labels.gz
              any pair of IDX files, Fashion-MNIST for example
          nativediffusion train-classifier --folder pictures/ --epochs 20
              PNG files of one size, one sub-folder per class
        """;

    private readonly Option<string?> _images = CliOptions.Text("--images", "FILE", "Training images in the IDX format, packed with gzip or not.");
    private readonly Option<string?> _labels = CliOptions.Text("--labels", "FILE", "Their labels in the IDX format.");
    private readonly Option<string?> _folder = CliOptions.Text("--folder", "PATH", "A folder of PNG files with one sub-folder per class, instead of --images.");
    private readonly Option<string?> _testImages = CliOptions.Text("--test-images", "FILE", "Images to test the result on, in the IDX format.");
    private readonly Option<string?> _testLabels = CliOptions.Text("--test-labels", "FILE", "Their labels.");

    private readonly Option<string> _out = new("--out")
    {
        Description = "The file to write.", HelpName = "FILE", DefaultValueFactory = _ => "classifier.safetensors",
    };

    private readonly Option<int> _epochs = CliOptions.Integer("--epochs", "N", "Passes over the images.", Presets.Epochs, 1, 100_000);
    private readonly Option<int> _batch = CliOptions.Integer("--batch", "N", "Images per step.", Presets.BatchSize, 1, 65536);

    private readonly Option<double?> _rate = CliOptions.OptionalNumber(
        "--lr", "X", FormattableString.Invariant($"Peak learning rate [default: {Presets.LearningRate}]."), 1e-9, 10);

    private readonly Option<int> _width = CliOptions.Integer(
        "--width", "N", "Channels at full resolution, a multiple of 8; doubled at each level.", Shape.Width, 8, 4096);

    private readonly Option<int> _levels = CliOptions.Integer("--levels", "N", "Resolutions, each half the one before.", Shape.Levels, 1, 8);
    private readonly Option<int> _blocks = CliOptions.Integer("--blocks", "N", "Residual blocks per level.", Shape.Blocks, 1, 64);
    private readonly Option<ulong> _seed = CliOptions.Seed("weights, order and shifts of the images");
    private readonly DeviceOption _device = new();
    private readonly Option<bool> _json = CliOptions.Json();

    private static ClassifierTrainingSettings Presets { get; } = new();

    private static ClassifierConfig Shape { get; } = new();

    public static Command Create(CliContext context)
    {
        var train = new TrainClassifierCommand();
        var command = new CliCommand("train-classifier", Description, Details)
        {
            train._images, train._labels, train._folder, train._testImages, train._testLabels, train._out, train._epochs, train._batch,
            train._rate, train._width, train._levels, train._blocks, train._seed, train._device.Device, train._device.Threads, train._device.Math, train._json,
        };
        command.SetAction(parsed => train.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        CheckOptions(parsed);
        string path = parsed.GetValue(_out)!;
        WritableFolder.RequireFor(path);
        var settings = new ClassifierTrainingSettings
        {
            Epochs = parsed.GetValue(_epochs),
            BatchSize = parsed.GetValue(_batch),
            LearningRate = parsed.GetValue(_rate) ?? Presets.LearningRate,
            Seed = parsed.GetValue(_seed),
        };
        var (data, test) = Load(parsed);
        using var kernels = _device.Open(parsed);
        using var classifier = new ImageClassifier(ConfigFor(data, parsed), kernels, settings.Seed);

        long start = Stopwatch.GetTimestamp();
        double loss = Train(classifier, data, settings, context);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        classifier.Save(path);
        double? accuracy = test is null
            ? null
            : (double)classifier.Classify(test, cancellation: context.Cancellation).CountCorrect(test.Labels.Span) / test.Count;

        if (parsed.GetValue(_json))
            JsonReport.Write(context.Out, new
            {
                Out = path, classifier.Config.Classes, Parameters = classifier.Parameters.Count, Images = data.Count, settings.Epochs, Batch = settings.BatchSize,
                Lr = settings.LearningRate, settings.Seed, Seconds = Math.Round(seconds, 1), LastEpochLoss = loss, TestImages = test?.Count ?? 0,
                TestAccuracy = accuracy,
            });
        else
        {
            context.Out.WriteLine(FormattableString.Invariant(
                $"{classifier.Parameters.Count:N0} parameters, {data.Count} images, {settings.Epochs} epochs in {ConsoleProgress.Duration(seconds)}: {path}"));
            if (accuracy is { } share) context.Out.WriteLine(FormattableString.Invariant($"{100 * share:0.00}% of {test!.Count} test images recognised"));
        }
        return ExitCode.Success;
    }

    private void CheckOptions(ParseResult parsed)
    {
        RequireBoth(parsed, _images, _labels);
        RequireBoth(parsed, _testImages, _testLabels);
        if (parsed.IsGiven(_folder) && parsed.IsGiven(_images)) throw new UsageException("--folder and --images are two sources of images; give one of them.");
    }

    private static void RequireBoth(ParseResult parsed, Option images, Option labels)
    {
        if (parsed.IsGiven(images) != parsed.IsGiven(labels)) throw new UsageException($"{images.Name} and {labels.Name} belong together; give both.");
    }

    private (ImageDataset Data, ImageDataset? Test) Load(ParseResult parsed)
    {
        bool shipped = !parsed.IsGiven(_folder) && !parsed.IsGiven(_images);
        ImageDataset data = parsed.GetValue(_folder) is { } folder
            ? PngFolder.Load(folder)
            : shipped ? ShippedDigits.LoadTrain() : IdxFile.Load(parsed.GetValue(_images)!, parsed.GetValue(_labels)!);
        ImageDataset? test = parsed.IsGiven(_testImages)
            ? IdxFile.Load(parsed.GetValue(_testImages)!, parsed.GetValue(_testLabels)!)
            : shipped ? ShippedDigits.LoadTest() : null;
        if (test is not null && (test.Height, test.Width, test.Channels, test.ClassCount) is var other
            && (other.Height > data.Height || other.Width > data.Width || other.Channels != data.Channels || other.ClassCount > data.ClassCount))
            throw new InvalidDataException(
                $"The test images are {test.Height}x{test.Width}x{test.Channels} of {test.ClassCount} classes, the training images {data.Height}x{data.Width}x{data.Channels} of {data.ClassCount}.");
        return (data, test);
    }

    private ClassifierConfig ConfigFor(ImageDataset data, ParseResult parsed)
    {
        int width = parsed.GetValue(_width), levels = parsed.GetValue(_levels);
        if (width % 8 != 0) throw new UsageException($"--width takes a multiple of 8; got '{width}'.");
        return new ClassifierConfig
        {
            ImageSize = ClassifierConfig.ImageSizeFor(Math.Max(data.Height, data.Width), levels),
            InChannels = data.Channels,
            Width = width,
            Levels = levels,
            Blocks = parsed.GetValue(_blocks),
            ClassNames = [.. data.ClassNames],
        };
    }

    /// <summary>Trains with a progress bar and a line per epoch; returns the mean loss of the last one.</summary>
    private static double Train(ImageClassifier classifier, ImageDataset data, ClassifierTrainingSettings settings, CliContext context)
    {
        using var trainer = new ClassifierTrainer(classifier, data, settings);
        double sum = 0, mean = 0;
        long steps = 0, epoch = 1;
        var watch = Stopwatch.StartNew();
        ConsoleProgress.Run(context, "step", 0, trainer.Steps, progress => trainer.Run(new ImmediateProgress<TrainingStep>(step =>
        {
            (sum, steps) = (sum + step.Loss, steps + 1);
            double rate = step.Step * settings.BatchSize / watch.Elapsed.TotalSeconds;
            progress.Report(step.Step, FormattableString.Invariant($"loss {sum / steps:0.0000}  {rate:0} images/s"));
            if (step.Step != trainer.Steps && step.Step * settings.BatchSize < epoch * data.Count) return;
            mean = sum / steps;
            progress.WriteLine(FormattableString.Invariant($"epoch {epoch} of {settings.Epochs}: loss {mean:0.0000}, {ConsoleProgress.Duration(watch.Elapsed.TotalSeconds)}"));
            (sum, steps, epoch) = (0, 0, epoch + 1);
        }), context.Cancellation));
        return mean;
    }
}
