using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using NativeDiffusion.Experiments;
using NativeDiffusion.Experiments.Reports;
using NativeDiffusion.Experiments.Running;
using Spectre.Console;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion experiment</c>: measures a claim about guidance and writes a report.</summary>
internal sealed class ExperimentCommand
{
    private const int QuickSamples = 40, LeastSamples = 20;

    private const string Description = "Measure what guidance does on the shipped digits, or on a model and images of your own, and write a report: one HTML file, and a table as CSV.";

    private static readonly string Details =
        $"""
        Experiments:
        {string.Join(Environment.NewLine, Experiment.All.Select(e => $"  {e.Name,-21}{e.Title}, {e.Points.Count} rows"))}

        Examples:
          nativediffusion experiment guiders --quick
              every guider in minutes: to see that it runs; 40 images a row tell little apart
          nativediffusion experiment guiders --out runs/guiders
              an hour or more; after Ctrl-C the same command goes on after the last finished row
          nativediffusion experiment guidance-sweep --model p01.safetensors --model p02.safetensors --model p05.safetensors
              models whose training hid the label more and less often: a curve for each
          nativediffusion experiment guidance-sweep --model model.safetensors --judge judge.safetensors --images i.gz --labels l.gz
              a model of other images, judged by a classifier of them beside real ones that neither saw

        A finished row is kept in the folder and not made again, the report is written anew after each. Same seed, same noise in every row.
        """;

    private readonly Argument<string> _name = new("NAME") { Description = "The experiment; the list is below." };
    private readonly Option<string?> _out = CliOptions.Text("--out", "FOLDER", "Where rows and report go. [default: runs/NAME, with --quick runs/NAME-quick]");
    private readonly Option<int?> _samples = CliOptions.OptionalInteger("--samples", "N", $"Images a row, shared evenly among the classes. [default: 2000, with --quick {QuickSamples}]", LeastSamples, 1_000_000);
    private readonly Option<bool> _quick = new("--quick") { Description = $"{QuickSamples} images a row." };
    private readonly Option<ulong> _seed = CliOptions.Seed("the noise");
    private readonly Option<string[]> _model = new("--model") { HelpName = "FILE", Description = "The model; for guidance-sweep, several of them. Left out: the digits that come with the tool." };
    private readonly Option<string?> _weak = CliOptions.Text("--weak-model", "FILE", "A model of the same images that was trained less: adds autoguidance to guiders.");
    private readonly Option<string?> _judge = CliOptions.Text("--judge", "FILE", "The classifier that judges, of train-classifier. Left out: that of the digits.");
    private readonly Option<string?> _guide = CliOptions.Text("--guide-classifier", "FILE", "The ResNet that guides, of train-classifier --resnet. Left out: that of the digits.");
    private readonly Option<string?> _noisy = CliOptions.Text("--noisy-classifier", "FILE", "The classifier of noisy images that guides, of train-classifier --noisy. Left out: that of the digits.");
    private readonly Option<string?> _images = CliOptions.Text("--images", "FILE", "Real images that the model never saw, in the IDX format. Left out: the test digits.");
    private readonly Option<string?> _labels = CliOptions.Text("--labels", "FILE", "Their labels.");
    private readonly Option<string?> _trainImages = CliOptions.Text("--train-images", "FILE", "Real images that the model was trained on, for a row of what a perfect generator would score. Left out, with --images: no such row.");
    private readonly Option<string?> _trainLabels = CliOptions.Text("--train-labels", "FILE", "Their labels.");
    private readonly DeviceOption _device = new();
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var experiment = new ExperimentCommand();
        experiment._name.CompletionSources.Add([.. Experiment.All.Select(e => e.Name)]);
        var command = new CliCommand("experiment", Description, Details)
        {
            experiment._name, experiment._out, experiment._samples, experiment._quick, experiment._seed, experiment._model, experiment._weak, experiment._judge, experiment._guide, experiment._noisy, experiment._images,
            experiment._labels, experiment._trainImages, experiment._trainLabels, experiment._device.Device, experiment._device.Threads, experiment._device.Math, experiment._json,
        };
        command.SetAction(parsed => experiment.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string name = parsed.GetValue(_name)!;
        var experiment = Experiment.All.FirstOrDefault(e => e.Name == name) ?? throw new UsageException(NearestWord.Message("experiment", name, [.. Experiment.All.Select(e => e.Name)]));
        if (parsed.IsGiven(_images) != parsed.IsGiven(_labels)) throw new UsageException("--images and --labels belong together; give both.");
        if (parsed.IsGiven(_trainImages) != parsed.IsGiven(_trainLabels)) throw new UsageException("--train-images and --train-labels belong together; give both.");
        if (parsed.GetValue(_model)!.Length > 1 && !experiment.ComparesModels)
            throw new UsageException($"{name} is of one --model; several are compared by {string.Join(", ", Experiment.All.Where(e => e.ComparesModels).Select(e => e.Name))}.");
        bool quick = parsed.GetValue(_quick);
        int samples = parsed.GetValue(_samples) ?? (quick ? QuickSamples : experiment.Samples);
        string path = parsed.GetValue(_out) ?? Path.Combine("runs", quick ? name + "-quick" : name);
        if (File.Exists(path)) throw new IOException($"Cannot write the report to '{path}': it is a file; name a folder.");
        WritableFolder.Require(path);
        using var kernels = _device.Open(parsed);
        using var bench = new Workbench(FilesFrom(parsed), kernels);
        var settings = ExperimentRunner.SettingsOf(experiment, bench, samples, parsed.GetValue(_seed), typeof(CliApplication).Assembly.GetName().Version!.ToString(3)) with { Options = FileOptions(parsed) };
        var folder = new ExperimentFolder(path, settings);
        var runner = new ExperimentRunner(experiment, bench, folder, settings);
        long start = Stopwatch.GetTimestamp();
        int made = 0;
        IReadOnlyList<PointResult> results = [];
        string report = "";
        void WriteReport(IReadOnlyList<PointResult> finished)
        {
            report = folder.Write(experiment.Name + ".html", HtmlReport.Of(experiment, settings, runner.Points.Count, finished, folder.Picture));
            _ = folder.Write(experiment.Name + ".csv", CsvFile.Of(finished));
            folder.Write(experiment.Name + ".png", Overview.Of(finished, bench.Judge.Classes, folder.Picture));
        }
        ConsoleProgress.Run(context, "row", 0, runner.Points.Count, progress => results = runner.Run(
            (finished, isNew) =>
            {
                made += isNew ? 1 : 0;
                if (isNew) WriteReport(finished);
                progress.Report(finished.Count, finished[^1].Label);
            },
            new ImmediateProgress<ExperimentProgress>(p => progress.Report(p.Point - 1, FormattableString.Invariant($"{p.Label}: {p.Share:P0}"))), context.Cancellation));
        WriteReport(results);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        if (parsed.GetValue(_json))
            JsonReport.Write(context.Out, new JsonObject
            {
                ["experiment"] = name, ["report"] = report, ["samples"] = samples, ["made"] = made, ["kept"] = results.Count - made, ["seconds"] = Math.Round(seconds, 1), ["rows"] = JsonReport.Node(results),
            });
        else
        {
            WriteTable(context, results);
            context.Out.WriteLine($"{made} rows made in {ConsoleProgress.Duration(seconds)}, {results.Count - made} kept: {report}");
        }
        return ExitCode.Success;
    }

    private ExperimentFiles FilesFrom(ParseResult parsed) => new()
    {
        Models = parsed.GetValue(_model)!, Weak = parsed.GetValue(_weak), Judge = parsed.GetValue(_judge), Guide = parsed.GetValue(_guide), Noisy = parsed.GetValue(_noisy),
        Reference = parsed.GetValue(_images) is { } images ? (images, parsed.GetValue(_labels)!) : null,
        Training = parsed.GetValue(_trainImages) is { } seen ? (seen, parsed.GetValue(_trainLabels)!) : null,
    };

    private string FileOptions(ParseResult parsed) => string.Concat(
    [
        .. parsed.GetValue(_model)!.Select(file => $" {_model.Name} {file}"),
        .. new[] { _weak, _judge, _guide, _noisy, _images, _labels, _trainImages, _trainLabels }.Where(option => parsed.GetValue(option) is not null).Select(option => $" {option.Name} {parsed.GetValue(option)}"),
    ]);

    private static void WriteTable(CliContext context, IReadOnlyList<PointResult> results)
    {
        foreach (var group in results.GroupBy(r => r.Group))
        {
            var table = new Table { Border = TableBorder.Simple };
            table.AddColumn(PlainText.Markup(group.Key));
            foreach (var metric in Judge.Metrics) table.AddColumn(metric.Head, c => c.Alignment = Justify.Right);
            table.AddColumn("evaluations", c => c.Alignment = Justify.Right);
            foreach (var r in group)
                table.AddRow([PlainText.Markup(r.Label), .. Judge.Metrics.Select(m => r.Metrics[m.Key].ToString()), FormattableString.Invariant($"{r.Cost.Evaluations:0.#}")]);
            context.OutConsole().Write(table);
        }
    }
}
