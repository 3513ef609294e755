using System.CommandLine;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Pictures;
using Spectre.Console;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion classify</c>: what a classifier sees in images, and how often it agrees with their labels.</summary>
internal sealed class ClassifyCommand
{
    private const string ShippedModel = "models/digits-classifier.safetensors";

    private const string Description = "Say which class each image shows, and how many agree with their labels if these are known.";

    private const string Details =
        """
        Examples:
          nativediffusion sample --w 2 --count 100 --out digits.npz && nativediffusion classify digits.npz
              how many of 1,000 generated digits are recognised as the class they were drawn for
          nativediffusion classify pictures/ --model classifier.safetensors --per-image
              a folder of pictures; its sub-folders, if it has any, are named after the classes
          nativediffusion classify photos/ --model resnet50.pth --size 224
              photographs of any size, with a ResNet of ImageNet
        """;

    private readonly Argument<string> _input = new("INPUT")
    {
        Description = "An .npz file (arr_0 u8 NHWC images, arr_1 labels if known), a folder of pictures with one sub-folder per class if known, or one picture.",
    };

    private readonly Option<string?> _model = CliOptions.Text(
        "--model", "FILE", "The classifier: a file that train-classifier wrote, a published noisy one, a ResNet of ImageNet or CIFAR-10, or an ONNX file. Left out: that of the digits that come with the tool.");

    private readonly Option<int?> _size = CliOptions.PictureSize("Pictures in files");
    private readonly OnnxInputOptions _onnx = new();
    private readonly Option<bool> _perImage = new("--per-image") { Description = "Report every image, too." };
    private readonly DeviceOption _device = new();
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var classify = new ClassifyCommand();
        var command = new CliCommand("classify", Description, Details)
        {
            classify._input, classify._model, classify._size, classify._perImage, classify._device.Device, classify._device.Threads, classify._device.Math, classify._json,
        };
        classify._onnx.AddTo(command);
        command.SetAction(parsed => classify.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string path = parsed.GetValue(_input)!, model = parsed.GetValue(_model) ?? ShippedFiles.Find(ShippedModel);
        using var kernels = _device.Open(parsed);
        var onnx = _onnx.From(parsed, model);
        using var classifier = ConsoleProgress.Wait(context, $"reading {model}", () => LoadedClassifier.Load(model, kernels, onnx));
        var names = classifier.ClassNames;
        var (images, labels, files) = Load(path, names, parsed.GetValue(_size));

        Classification? found = null;
        ConsoleProgress.Run(context, "image", 0, images.Count, progress =>
        {
            var report = new ImmediateProgress<int>(done => progress.Report(done));
            found = classifier.Classify(images, report, context.Cancellation);
        });
        var result = found!;
        int? correct = labels is null ? null : result.CountCorrect(labels);
        var rows = Enumerable.Range(0, result.Count).Select(i => new
        {
            Image = files?[i] ?? i.ToString(), Class = names[result.Labels[i]], Probability = Math.Round(result.Confidence(i), 4),
            Label = labels is null ? null : names[labels[i]],
        });
        var classes = names.Select((name, k) => new
        {
            Class = name, Found = result.Labels.Count(l => l == k), Labelled = labels?.Count(l => l == k),
            Correct = labels is null ? (int?)null : result.Labels.Zip(labels).Count(p => p.First == k && p.Second == k),
        }).ToArray();

        if (parsed.GetValue(_json))
        {
            JsonReport.Write(context.Out, new JsonObject
            {
                ["input"] = path, ["model"] = model, ["images"] = result.Count, ["correct"] = correct, ["accuracy"] = correct is null ? null : (double?)correct / result.Count,
                ["mean_probability"] = MeanConfidence(result),
                ["classes"] = JsonReport.List(classes.Select(c => new JsonObject { ["class"] = c.Class, ["found"] = c.Found, ["labelled"] = c.Labelled, ["correct"] = c.Correct })),
                ["per_image"] = !parsed.GetValue(_perImage) ? null
                    : JsonReport.List(rows.Select(r => new JsonObject { ["image"] = r.Image, ["class"] = r.Class, ["probability"] = r.Probability, ["label"] = r.Label })),
            });
            return ExitCode.Success;
        }
        if (parsed.GetValue(_perImage))
            foreach (var row in rows)
                context.Out.WriteLine(FormattableString.Invariant($"{row.Image}\t{row.Class}\t{row.Probability:0.0000}") + (row.Label is null ? "" : $"\t{row.Label}"));
        var table = new Table { Border = TableBorder.Simple };
        foreach (string head in labels is null ? new[] { "class", "images" } : ["class", "recognised as it", "labelled", "correct"])
            table.AddColumn(head, column => column.Alignment = head == "class" ? Justify.Left : Justify.Right);
        foreach (var row in classes)
            table.AddRow(labels is null
                ? [PlainText.Markup(row.Class), $"{row.Found}"]
                : [PlainText.Markup(row.Class), $"{row.Found}", $"{row.Labelled}", $"{row.Correct}"]);
        context.OutConsole().Write(table);
        context.Out.WriteLine(FormattableString.Invariant(
            $"{result.Count} images, mean probability of the class found {MeanConfidence(result):0.000}")
            + (correct is null ? "" : FormattableString.Invariant($"; {correct} ({100.0 * correct / result.Count:0.00}%) agree with their labels")));
        return ExitCode.Success;
    }

    private static double MeanConfidence(Classification result) =>
        result.Count == 0 ? 0 : Math.Round(Enumerable.Range(0, result.Count).Average(i => (double)result.Confidence(i)), 6);

    private (ImageDataset Images, int[]? Labels, IReadOnlyList<string>? Files) Load(string path, IReadOnlyList<string> names, int? size)
    {
        if (File.Exists(path) && PictureKind.IsPictureName(path))
        {
            var one = PictureSource.Open(path, size).Batches(1).Single();
            return (one, null, [Path.GetFileName(path)]);
        }
        if (!Directory.Exists(path))
        {
            if (size is not null) throw new UsageException($"{_size.Name} is for pictures in files, which it brings to one size; '{path}' is an array.");
            ImageDataset arrays = NpzReader.ReadImages(path, out bool labelled);
            int[] labels = arrays.Labels.ToArray();
            int beyond = Array.FindIndex(labels, label => label >= names.Count);
            if (beyond >= 0)
                throw new InvalidDataException($"'{path}': image {beyond} has the label {labels[beyond]}, but the classifier's classes are 0 to {names.Count - 1}.");
            return (arrays, labelled ? labels : null, null);
        }
        var folder = PictureFolder.Open(path);
        string[] files = [.. folder.Files.Select(file => Path.GetRelativePath(path, file))];
        ImageDataset images = folder.Load(size);
        if (folder.ClassNames.Count == 0) return (images, null, files);
        int[] classOf = [.. images.ClassNames.Select(name => names.ToList().IndexOf(name))];
        int unknown = Array.IndexOf(classOf, -1);
        if (unknown >= 0)
            throw new InvalidDataException(
                $"'{path}': the sub-folder '{images.ClassNames[unknown]}' is not named after a class of the classifier ({string.Join(", ", names.Take(40))}).");
        return (images, Array.ConvertAll(images.Labels.ToArray(), label => classOf[label]), files);
    }
}
