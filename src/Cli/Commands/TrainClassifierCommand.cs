using System.CommandLine;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Training;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Pictures;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model.Published;
using NativeDiffusion.Runtime.Checkpoints;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion train-classifier</c>: trains the classifier that judges generated images, or one that guides them.</summary>
internal sealed class TrainClassifierCommand
{
    private const string Description = "Train a small classifier on clean images, to judge generated ones with the command classify; or, with --noisy, on noisy images, to guide a model by.";

    private const string Details =
        """
        Examples:
          nativediffusion train-classifier --out classifier.safetensors
              the digits that come with the tool, tested on the 10,000 test digits
          nativediffusion train-classifier --images train-images.gz --labels train-labels.gz --test-images t10k-images.gz --test-labels t10k-labels.gz
              any pair of IDX files, Fashion-MNIST for example
          nativediffusion train-classifier --folder pictures/ --epochs 20
              pictures of one size (JPEG, PNG, WebP, GIF, BMP), one sub-folder per class
          nativediffusion train-classifier --noisy --out noisy.safetensors
              for sample --guider classifier --classifier noisy.safetensors: on the noise levels of the digits model
          nativediffusion train-classifier --noisy --model runs/quick/model.safetensors --folder pictures/ --width 32 --levels 4
              for a model of your own

        Beside --out, its name ending in .svg, goes the curve of the loss.
        """;

    private const int NoisyLevels = 3;

    private readonly Option<string?> _images = CliOptions.Text("--images", "FILE", "Training images in the IDX format, packed with gzip or not.");
    private readonly Option<string?> _labels = CliOptions.Text("--labels", "FILE", "Their labels in the IDX format.");
    private readonly Option<string?> _folder = CliOptions.Text("--folder", "PATH", "A folder of pictures, with one sub-folder for each class, instead of --images.");
    private readonly Option<int?> _size = CliOptions.PictureSize("With --folder: pictures");
    private readonly Option<string?> _testImages = CliOptions.Text("--test-images", "FILE", "Images to test the result on, in the IDX format.");
    private readonly Option<string?> _testLabels = CliOptions.Text("--test-labels", "FILE", "Their labels.");

    private readonly Option<string> _out = new("--out")
    {
        Description = "The file to write.", HelpName = "FILE", DefaultValueFactory = _ => "classifier.safetensors",
    };

    private readonly Option<bool> _noisy = new("--noisy")
    {
        Description = "Train on images with the noise of a model, told how much (ADM's classifier, arXiv 2105.05233), for classifier guidance of that model. Written in float16.",
    };

    private readonly Option<bool> _resnet = new("--resnet")
    {
        Description = "Train a ResNet of ReLUs instead (arXiv 1512.03385, as for CIFAR-10, without BatchNorm), for EluCD: sample --softplus smooths its ReLUs. Written in float16 under published names.",
    };

    private readonly Option<string?> _model = CliOptions.Text(
        "--model", "FILE", "With --noisy: the model that it is to guide, whose noise levels and image size it takes. Left out, with the digits that come with the tool: their model.");

    private readonly Option<ClassifierPool?> _pool = CliOptions.OptionalChoice<ClassifierPool>(
        "--pool", "With --noisy: what makes logits of the last level: attention as in the published classifiers, or the mean over all pixels.",
        [("attention", ClassifierPool.Attention), ("mean", ClassifierPool.Adaptive)], "attention");

    private readonly Option<int> _epochs = CliOptions.Integer("--epochs", "N", "Passes over the images.", Presets.Epochs, 1, 100_000);
    private readonly Option<int> _batch = CliOptions.Integer("--batch", "N", "Images per step.", Presets.BatchSize, 1, 65536);

    private readonly Option<double?> _rate = CliOptions.OptionalNumber(
        "--lr", "X", FormattableString.Invariant($"Peak learning rate [default: {Presets.LearningRate}]."), 1e-9, 10);

    private readonly Option<int> _width = CliOptions.Integer(
        "--width", "N", "Channels at full resolution, a multiple of 8; doubled at each level.", Shape.Width, 8, 4096);

    private readonly Option<int?> _levels = CliOptions.OptionalInteger(
        "--levels", "N", $"Resolutions, each half the one before. [default: {Shape.Levels}, with --noisy and --resnet {NoisyLevels}]", 1, 7);

    private readonly Option<int> _blocks = CliOptions.Integer("--blocks", "N", "Residual blocks per level.", Shape.Blocks, 1, 64);
    private readonly Option<ulong> _seed = CliOptions.Seed("weights, order and shifts of the images");
    private readonly NetworkOptions _network = new();
    private readonly DeviceOption _device = new();
    private readonly Option<bool> _json = CliOptions.Json();

    private static ClassifierTrainingSettings Presets { get; } = new();

    private static ClassifierConfig Shape { get; } = new();

    public static Command Create(CliContext context)
    {
        var train = new TrainClassifierCommand();
        var command = new CliCommand("train-classifier", Description, Details)
        {
            train._images, train._labels, train._folder, train._size, train._testImages, train._testLabels, train._noisy, train._resnet, train._model, train._pool, train._out, train._epochs, train._batch,
            train._rate, train._width, train._levels, train._blocks, train._seed, train._device.Device, train._device.Threads, train._device.Math, train._json,
        };
        train._network.AddTo(command);
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
        if (parsed.GetValue(_noisy))
        {
            using var noisy = NoisyFrom(parsed, context, data, kernels, settings.Seed);
            using var run = new ClassifierRun(new ClassifierTrainer(noisy, data, settings), data.Count, path);
            run.Train(context);
            noisy.Save(path, DType.F16);
            Report(parsed, context, run, noisy, test is null ? null : NoisyAccuracy.Measure(path, test, kernels, context), test?.Count);
        }
        else if (parsed.GetValue(_resnet))
        {
            using var resnet = ResNetFrom(parsed, ref data, ref test, kernels, settings.Seed);
            using var run = new ClassifierRun(new ClassifierTrainer(resnet, data, settings), data.Count, path);
            run.Train(context);
            resnet.Save(path, DType.F16);
            Report(parsed, context, run, resnet, test is null ? null : [NoisyAccuracy.OfClean(resnet.Classify(test, cancellation: context.Cancellation), test)], test?.Count);
        }
        else
        {
            using var clean = new ImageClassifier(ConfigFor(data, parsed), kernels, settings.Seed);
            using var run = new ClassifierRun(new ClassifierTrainer(clean, data, settings), data.Count, path);
            run.Train(context);
            clean.Save(path);
            Report(parsed, context, run, clean, test is null ? null : [NoisyAccuracy.OfClean(clean.Classify(test, cancellation: context.Cancellation), test)], test?.Count);
        }
        return ExitCode.Success;
    }

    private void Report(ParseResult parsed, CliContext context, ClassifierRun run, IClassifierNetwork classifier, IReadOnlyList<NoisyAccuracy>? accuracies, int? testImages)
    {
        var settings = run.Settings;
        if (parsed.GetValue(_json))
        {
            JsonReport.Write(context.Out, new JsonObject
            {
                ["out"] = run.Path, ["classes"] = classifier.Classes, ["parameters"] = classifier.Parameters.Count, ["images"] = run.Images, ["epochs"] = settings.Epochs,
                ["batch"] = settings.BatchSize, ["lr"] = settings.LearningRate, ["seed"] = settings.Seed, ["seconds"] = Math.Round(run.Seconds, 1),
                ["last_epoch_loss"] = run.LastEpochLoss, ["test_images"] = testImages ?? 0, ["test_accuracy"] = accuracies?[0].Accuracy,
                ["accuracy_by_noise"] = classifier.TakesNoise && accuracies is not null ? JsonReport.Node(accuracies) : null,
            });
            return;
        }
        context.Out.WriteLine(FormattableString.Invariant(
            $"{classifier.Parameters.Count:N0} parameters, {run.Images} images, {settings.Epochs} epochs in {ConsoleProgress.Duration(run.Seconds)}: {run.Path}"));
        foreach (var level in accuracies ?? [])
            context.Out.WriteLine(FormattableString.Invariant($"{100 * level.Accuracy:0.00}% of {testImages} test images recognised")
                + (classifier.TakesNoise ? FormattableString.Invariant($" at sigma {level.Sigma} (timestep {level.Timestep:0.0})") : ""));
    }

    private void CheckOptions(ParseResult parsed)
    {
        RequireBoth(parsed, _images, _labels);
        RequireBoth(parsed, _testImages, _testLabels);
        if (parsed.IsGiven(_folder) && parsed.IsGiven(_images)) throw new UsageException("--folder and --images are two sources of images; give one of them.");
        if (parsed.IsGiven(_size) && !parsed.IsGiven(_folder)) throw new UsageException("--size brings the pictures of --folder to one size; give --folder as well, or leave --size out.");
        if (!parsed.GetValue(_noisy) && new Option[] { _model, _pool }.FirstOrDefault(parsed.IsGiven) is { } other)
            throw new UsageException($"{other.Name} belongs to classifiers of noisy images; give --noisy as well.");
        if (parsed.GetValue(_noisy) && parsed.GetValue(_resnet)) throw new UsageException("--noisy and --resnet are two networks; give one of them.");
        if (parsed.GetValue(_noisy) && !parsed.IsGiven(_model) && (parsed.IsGiven(_folder) || parsed.IsGiven(_images)))
            throw new UsageException("--noisy takes the noise levels of the model that the classifier is to guide: say which by --model FILE.");
    }

    private static void RequireBoth(ParseResult parsed, Option images, Option labels)
    {
        if (parsed.IsGiven(images) != parsed.IsGiven(labels)) throw new UsageException($"{images.Name} and {labels.Name} belong together; give both.");
    }

    private (ImageDataset Data, ImageDataset? Test) Load(ParseResult parsed)
    {
        bool shipped = !parsed.IsGiven(_folder) && !parsed.IsGiven(_images);
        ImageDataset data = parsed.GetValue(_folder) is { } folder
            ? ClassesIn(folder, parsed.GetValue(_size))
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

    private static ImageDataset ClassesIn(string path, int? size)
    {
        var folder = PictureFolder.Open(path);
        return folder.ClassNames.Count > 0 ? folder.Load(size) : throw new InvalidDataException($"'{path}' has no sub-folders; make one for each class and put its pictures inside.");
    }

    private int WidthFrom(ParseResult parsed)
    {
        int width = parsed.GetValue(_width);
        return width % 8 == 0 ? width : throw new UsageException($"--width takes a multiple of 8; got '{width}'.");
    }

    private ClassifierConfig ConfigFor(ImageDataset data, ParseResult parsed)
    {
        int levels = parsed.GetValue(_levels) ?? Shape.Levels;
        return new ClassifierConfig
        {
            ImageSize = ClassifierConfig.ImageSizeFor(Math.Max(data.Height, data.Width), levels),
            InChannels = data.Channels,
            Width = WidthFrom(parsed),
            Levels = levels,
            Blocks = parsed.GetValue(_blocks),
            ClassNames = [.. data.ClassNames],
        };
    }

    private ResNetClassifier ResNetFrom(ParseResult parsed, ref ImageDataset data, ref ImageDataset? test, IKernels kernels, ulong seed)
    {
        int stages = parsed.GetValue(_levels) ?? NoisyLevels, size = ClassifierConfig.ImageSizeFor(Math.Max(data.Height, data.Width), stages + 1);
        (data, test) = (data.PadTo(size), test?.PadTo(size));
        return new ResNetClassifier(
            new ResNetConfig
            {
                Layers = [.. Enumerable.Repeat(parsed.GetValue(_blocks), stages)], Width = WidthFrom(parsed), InChannels = data.Channels, Classes = data.ClassCount, Stem = ResNetStem.Cifar,
            },
            kernels, seed, data.ClassNames);
    }

    private NoisyClassifier NoisyFrom(ParseResult parsed, CliContext context, ImageDataset data, IKernels kernels, ulong seed)
    {
        string path = parsed.GetValue(_model) ?? ShippedFiles.Find("models/digits.safetensors");
        var (network, model, assumptions) = ReadModel(path, _network.From(parsed));
        if (_network.Note(path, assumptions) is { } note) context.Error.WriteLine(note);
        if (model.LatentScale is not null)
            throw new UsageException($"'{path}' makes latents, and classifiers guide pictures; guide it through its decoder, by sample --guider elucd.");
        if (data.Channels != network.InChannels || Math.Max(data.Height, data.Width) > network.ImageSize)
            throw new UsageException(
                $"The images are {data.Height}x{data.Width} of {data.Channels} channels, and '{path}' makes {network.ImageSize}x{network.ImageSize} of {network.InChannels}: a classifier to guide it takes such images.");
        var config = EncoderUNetConfig.OfSize(
            network.ImageSize, network.InChannels, data.ClassCount, WidthFrom(parsed), parsed.GetValue(_levels) ?? NoisyLevels, parsed.GetValue(_blocks),
            parsed.GetValue(_pool) ?? ClassifierPool.Attention);
        return new NoisyClassifier(config, model, data.ClassNames, kernels, seed);
    }

    // The weights of the model are not needed.
    private static (INetworkConfig Network, DiffusionSettings Settings, IReadOnlyList<Assumption> Assumptions) ReadModel(string path, PublishedSettings? given)
    {
        using var file = CheckpointFile.Open(path);
        if (ModelMetadata.IsIn(file))
        {
            if (given is not null) throw new UsageException($"'{path}' was written by this tool and says all of its network; nothing can be added to it.");
            var (network, settings) = ModelMetadata.Read(file);
            return (network, settings, []);
        }
        var published = PublishedCheckpoint.Require(file, given);
        var (config, diffusion) = published.DiffusionModel(path);
        return (config, diffusion, published.Assumptions);
    }
}
