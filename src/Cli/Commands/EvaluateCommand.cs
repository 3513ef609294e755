using System.CommandLine;
using System.Globalization;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Evaluating;
using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Metrics.Features;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Onnx;
using Spectre.Console;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion evaluate</c>: how good and how varied samples are, with standard errors.</summary>
internal sealed class EvaluateCommand
{
    private const string Description = "Measure samples against a reference: FID, sFID, KID, Inception Score, precision and recall, density and coverage, accuracy, calibration, near-copies.";

    private const string Details =
        """
        SAMPLES and the sets of --reference and --training are .npz files (arr_0 u8 NHWC images, arr_1 labels if known), folders of pictures (a sub-folder
        for each class, if known), IDX files, or mnist-train and mnist-test, the digits that come with the tool. A reference may also be a statistics file
        (.npz with mu and sigma, and mu_s and sigma_s for sFID) as others publish them. SAMPLES may be a model, which is then sampled.

        Numbers compare only with numbers from the same network and equally many samples; the network is named in every report and statistics file.

        Examples:
          nativediffusion evaluate models/digits.safetensors --count 2000 --w 1 --reference mnist-test
              2,000 digits of the shipped model, judged by the shipped classifier
          nativediffusion evaluate samples.npz --reference VIRTUAL_imagenet256_labeled.npz --network pt_inception-2015-12-05-6726825d.pth
              FID, sFID, Inception Score, precision and recall as published
          nativediffusion evaluate pictures/ --network inception.pth --save-statistics reference.npz
              statistics of a reference, to be used again
        """;

    private readonly Argument<string> _samples = new("SAMPLES") { Description = "What to measure: pictures, or a model." };

    private readonly Option<string?> _reference = CliOptions.Text("--reference", "SET", "What to measure against: pictures or statistics of them.");

    private readonly Option<string?> _training = CliOptions.Text(
        "--training", "SET", "Pictures among which near-copies are looked for: the training set. [default: the reference]");

    private readonly Option<string?> _network = CliOptions.Text(
        "--network", "FILE", "What sees features in pictures: the FID Inception, CLIP, a ResNet, an ONNX file (its first output), or a file of train-classifier. [default: the classifier of digits that comes with the tool]");

    private readonly OnnxInputOptions _onnx = new();

    private readonly Option<string?> _metrics = CliOptions.Text("--metrics", "LIST", $"Some of {MetricNames.Listing}, separated by commas. [default: all that are possible]");

    private readonly Option<int> _count = CliOptions.Integer("--count", "N", "Pictures to draw from a model, as many of each class.", 1000, 2, 10_000_000);
    private readonly Option<double?> _strength = CliOptions.OptionalNumber("--w", "X", "Guidance strength for sampling a model. [default: the model's own, else 2]", -1, 1000);
    private readonly Option<int?> _steps = CliOptions.OptionalInteger("--steps", "N", "Steps for sampling a model. [default: the model's own, else 20]", 1, 100_000);

    private readonly Option<SamplerKind?> _sampler = CliOptions.OptionalChoice("--sampler", "The sampler of a model.", OptionWords.Samplers, "the model's own, else dpm++2m");

    private readonly Option<int> _splitSize = CliOptions.Integer("--split-size", "N", "Samples of a split of the Inception Score.", 5000, 2);
    private readonly Option<int> _subsets = CliOptions.Integer("--kid-subsets", "N", "Subsets of KID.", 100, 1, 100_000);
    private readonly Option<int> _subsetSize = CliOptions.Integer("--kid-size", "N", "Most samples of a subset of KID.", 1000, 2, 20_000);
    private readonly Option<int> _neighbours = CliOptions.Integer("--neighbours", "K", "Neighbour whose distance is the radius of precision and recall.", 3, 1, 1000);
    private readonly Option<int> _densityNeighbours = CliOptions.Integer("--density-neighbours", "K", "The same of density and coverage.", 5, 1, 1000);
    private readonly Option<int> _bins = CliOptions.Integer("--bins", "N", "Bins of the calibration error.", 15, 1, 10_000);
    private readonly Option<int> _nearest = CliOptions.Integer("--nearest", "N", "How many samples to list that are most like one training picture.", 5, 0, 1000);
    private readonly Option<ulong> _seed = CliOptions.Seed("subsets, groups and the noise of a model");

    private readonly Option<string?> _save = CliOptions.Text("--save-statistics", "FILE", "Write mean and covariance of the samples' features (.npz), a reference for later.");
    private readonly Option<int?> _size = CliOptions.PictureSize("Pictures in files, of all sets,");
    private readonly DeviceOption _device = new();
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var evaluate = new EvaluateCommand();
        var command = new CliCommand("evaluate", Description, Details)
        {
            evaluate._samples, evaluate._reference, evaluate._training, evaluate._network, evaluate._size, evaluate._metrics, evaluate._count, evaluate._strength, evaluate._steps, evaluate._sampler,
            evaluate._splitSize, evaluate._subsets, evaluate._subsetSize, evaluate._neighbours, evaluate._densityNeighbours, evaluate._bins, evaluate._nearest, evaluate._seed,
            evaluate._save, evaluate._device.Device, evaluate._device.Threads, evaluate._device.Math, evaluate._json,
        };
        evaluate._network.Aliases.Add("--features");
        evaluate._onnx.AddTo(command);
        command.SetAction(parsed => evaluate.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string text = parsed.GetValue(_samples)!;
        var settings = SettingsFrom(parsed);
        int? size = parsed.GetValue(_size);
        string? save = parsed.GetValue(_save);
        if (save is not null && !save.EndsWith(".npz", StringComparison.OrdinalIgnoreCase)) throw new UsageException($"--save-statistics writes an .npz file; got '{save}'.");
        bool isModel = text is not (EvaluationInput.TrainingDigits or EvaluationInput.TestDigits) && EvaluationInput.IsModel(text);
        if (!isModel && new Option[] { _count, _strength, _steps, _sampler }.FirstOrDefault(parsed.IsGiven) is { } wrong)
            throw new UsageException($"{wrong.Name} is for sampling a model; '{text}' is pictures.");
        var reference = parsed.GetValue(_reference) is { } r ? EvaluationInput.Open(r, size) : null;
        var training = parsed.GetValue(_training) is { } t ? EvaluationInput.Open(t, size) : null;
        if (training is { Pictures: null }) throw new UsageException($"--training takes pictures; '{training.Description}' is statistics.");
        using var kernels = _device.Open(parsed);
        string? file = parsed.GetValue(_network);
        var onnx = _onnx.From(parsed, file ?? "");
        using var network = ConsoleProgress.Wait(context, "reading the network of features",
            () => file is not null && ClassifierFile.IsOnnx(file) ? OnnxFeatures.Open(file, kernels, onnx) : FeatureNetwork.Open(file, kernels));
        if (reference?.Statistics is { } published) RequireNetwork(published, network, reference.Description);
        var input = isModel
            ? EvaluationInput.Sample(text, new ModelSampling(parsed.GetValue(_count), parsed.GetValue(_strength), parsed.GetValue(_sampler), parsed.GetValue(_steps), settings.Seed), kernels, context)
            : EvaluationInput.Open(text, size);
        if (input.Pictures is null) throw new UsageException($"'{text}' is statistics; SAMPLES are pictures or a model.");

        var samples = Extract(network, input, "samples", settings, context);
        var referenceFeatures = reference?.Pictures is null ? null : Extract(network, reference, "reference", settings, context);
        var trainingFeatures = training is null ? referenceFeatures : Extract(network, training, "training set", settings, context);
        var result = new Evaluation(network, samples, referenceFeatures, reference?.Statistics, trainingFeatures, settings, context).Run();
        if (save is not null) new StatisticsFile(samples.Moments.Statistics(), samples.SpatialMoments?.Statistics()).Write(save);
        foreach (string warning in result.Warnings) context.Error.WriteLine($"warning: {warning}");
        if (parsed.GetValue(_json)) WriteJson(context, result, input, reference, training, network, samples, referenceFeatures, settings, save);
        else WriteTable(context, result, input, reference, network, samples, save);
        return ExitCode.Success;
    }

    private EvaluationSettings SettingsFrom(ParseResult parsed)
    {
        ulong seed = parsed.GetValue(_seed);
        int threads = parsed.GetValue(_device.Threads);
        return new EvaluationSettings
        {
            Wanted = parsed.GetValue(_metrics) is { } list ? MetricNames.Parse(list) : null,
            SplitSize = parsed.GetValue(_splitSize), Bins = parsed.GetValue(_bins), Nearest = parsed.GetValue(_nearest), Seed = seed, Threads = threads,
            Kernel = new KernelDistanceOptions { Subsets = parsed.GetValue(_subsets), SubsetSize = parsed.GetValue(_subsetSize), Seed = seed, Threads = threads },
            Manifold = new ManifoldOptions { Neighbours = parsed.GetValue(_neighbours), DensityNeighbours = parsed.GetValue(_densityNeighbours), Seed = seed, Threads = threads },
        };
    }

    // Before pictures are gone through for an hour.
    private static void RequireNetwork(StatisticsFile statistics, FeatureNetwork network, string path)
    {
        if (statistics.Pooled.Network != network.Name || statistics.Pooled.Features != network.Features)
            throw new UsageException(
                $"'{path}' has {statistics.Pooled.Features} features of '{statistics.Pooled.Network}', --network is '{network.Name}' with {network.Features}: features of different networks do not compare. Give the network that the statistics are of.");
    }

    private static SampleFeatures Extract(FeatureNetwork network, EvaluationInput input, string what, EvaluationSettings settings, CliContext context)
    {
        SampleFeatures? features = null;
        try
        {
            ConsoleProgress.Run(context, $"features of the {what}", 0, input.Pictures!.Count, progress => features = network.Extract(
                input.Pictures, settings.Seed, settings.Threads, new ImmediateProgress<int>(done => progress.Report(done)), context.Cancellation));
        }
        catch (ArgumentException e)
        {
            throw new InvalidDataException($"{input.Description}: {e.Message}", e);
        }
        return features!;
    }

    private static void WriteTable(CliContext context, EvaluationResult result, EvaluationInput input, EvaluationInput? reference, FeatureNetwork network, SampleFeatures samples, string? save)
    {
        var table = new Table { Border = TableBorder.Simple };
        bool floors = result.Rows.Any(r => r.Floor is not null);
        foreach (string head in floors ? new[] { "metric", "value ± standard error", "reference against itself", "" } : ["metric", "value ± standard error", ""])
            table.AddColumn(head, column => column.Alignment = head.StartsWith("value", StringComparison.Ordinal) || head.StartsWith("ref", StringComparison.Ordinal) ? Justify.Right : Justify.Left);
        foreach (var row in result.Rows)
        {
            string floor = row.Floor is { } f ? f.ToString("G4", CultureInfo.InvariantCulture) : "";
            string[] cells = floors ? [row.Title, row.Estimate.ToString(), floor, row.Reading] : [row.Title, row.Estimate.ToString(), row.Reading];
            table.AddRow([.. cells.Select(PlainText.Markup)]);
        }
        if (result.Rows.Count > 0) context.OutConsole().Write(table);
        if (result.Nearest is { Count: > 0 } nearest)
        {
            context.Out.WriteLine($"Most like one training picture (distance of features, and its ratio to the second nearest):");
            foreach (var p in nearest) context.Out.WriteLine(FormattableString.Invariant($"  {p.Sample}  {p.Training}  {p.Distance:G4}  {p.Ratio:0.000}"));
            context.Out.WriteLine(FormattableString.Invariant($"{100 * result.ShareOfNearCopies:0.##}% of the samples are at most half as far from the nearest as from the second nearest."));
        }
        context.Out.WriteLine(
            $"{samples.Features.Count} samples of {input.Description}{(reference is null ? "" : $" against {reference.Description}")}; features: {network.Name} ({network.Features}).");
        if (save is not null) context.Out.WriteLine($"Statistics of the samples: {save}");
    }

    private static void WriteJson(
        CliContext context, EvaluationResult result, EvaluationInput input, EvaluationInput? reference, EvaluationInput? training, FeatureNetwork network, SampleFeatures samples,
        SampleFeatures? referenceFeatures, EvaluationSettings settings, string? save) => JsonReport.Write(context.Out, new JsonObject
        {
            ["samples"] = input.Description, ["sample_count"] = samples.Features.Count, ["reference"] = reference?.Description,
            ["reference_count"] = referenceFeatures?.Features.Count ?? (long?)reference?.Statistics?.Pooled.Count,
            ["training"] = training?.Description ?? (referenceFeatures is null ? null : reference?.Description), ["network"] = network.Name, ["features"] = network.Features,
            ["metrics"] = new JsonObject(result.Rows.Select(r => KeyValuePair.Create<string, JsonNode?>(
                r.Key, new JsonObject { ["value"] = r.Estimate.Value, ["standard_error"] = r.Estimate.StandardError, ["floor"] = r.Floor }))),
            ["reliability"] = result.Reliability is null ? null : JsonReport.List(result.Reliability.Where(b => b.Count > 0).Select(b => new JsonObject
            {
                ["lower"] = b.Lower, ["upper"] = b.Upper, ["count"] = b.Count, ["confidence"] = b.Confidence, ["accuracy"] = b.Accuracy.Value, ["standard_error"] = b.Accuracy.StandardError,
            })),
            ["nearest"] = result.Nearest is null ? null : JsonReport.Node(result.Nearest), ["share_of_near_copies"] = result.ShareOfNearCopies, ["warnings"] = JsonReport.List(result.Warnings),
            ["seed"] = settings.Seed, ["split_size"] = settings.SplitSize, ["kid_subsets"] = settings.Kernel.Subsets, ["kid_size"] = settings.Kernel.SubsetSize,
            ["neighbours"] = settings.Manifold.Neighbours, ["density_neighbours"] = settings.Manifold.DensityNeighbours, ["bins"] = settings.Bins, ["statistics"] = save,
        });
}
