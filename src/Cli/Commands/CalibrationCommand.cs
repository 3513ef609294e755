using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Experiments.Paths;
using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Sampling;
using Spectre.Console;

namespace NativeDiffusion.Cli.Commands;

/// <summary><c>nativediffusion calibration</c>: how well classifiers know what they do not know, along the way from noise to image.</summary>
internal sealed class CalibrationCommand
{
    private const string Description = "Measure how well classifiers are calibrated along the sampling path, and how their gradient fades or stays.";

    private const string Details =
        """
        Examples:
          nativediffusion calibration --classifier models/digits-resnet.safetensors --softplus 8,5,3
              a ResNet as it is and with smooth ReLUs, at the clean predictions of the digits model
          nativediffusion calibration model.safetensors --classifier resnet.safetensors --classifier noisy.safetensors --noisy-input
              several classifiers side by side, those of clean images at the noisy samples as well

        The expected calibration error of a step is sum over bins of (share of the images) |accuracy - confidence|, right being the class an image is drawn for; the
        integral error is the mean over the steps (EluCD, arXiv 2312.12030). Written: calibration.csv, calibration.svg (its figure 1), and for a classifier of clean
        images gradients.svg and gradients.png: what EluCD by it adds to the state at each step, with and without the sine (figure B.1).
        """;

    private const int Pictures = 8;

    private readonly Argument<string?> _model = new("MODEL") { Description = "The model that draws. Left out: the digits that come with the tool.", Arity = ArgumentArity.ZeroOrOne };
    private readonly Option<string[]> _classifier = new("--classifier") { Description = "A classifier: of noisy images, or of clean ones; repeat it for several.", HelpName = "FILE", Required = true };
    private readonly Option<double[]?> _softplus = CliOptions.Numbers("--softplus", "LIST", "Also with the ReLUs of ResNets replaced by softplus of these betas.", 1e-6, 1e9);
    private readonly Option<bool> _noisyInput = new("--noisy-input") { Description = "Also ask classifiers of clean images about the noisy samples." };
    private readonly Option<int> _samples = CliOptions.Integer("--samples", "N", "Images, shared evenly among the classes; few images make the error look larger.", 500, 1, 10_000_000);
    private readonly Option<int> _steps = CliOptions.Integer("--steps", "N", "Steps.", 25, 2, 100_000);
    private readonly Option<double?> _w = CliOptions.OptionalNumber("--w", "X", "Strength of classifier-free guidance [default: 0].", 0, 1000);
    private readonly Option<int> _bins = CliOptions.Integer("--bins", "N", "Bins of confidence.", 15, 1, 1000);
    private readonly Option<ulong> _seed = CliOptions.Seed("the noise");
    private readonly Option<string> _out = new("--out") { Description = "Where table and pictures go.", HelpName = "FOLDER", DefaultValueFactory = _ => "calibration" };
    private readonly DeviceOption _device = new();
    private readonly Option<bool> _json = CliOptions.Json();

    public static Command Create(CliContext context)
    {
        var calibration = new CalibrationCommand();
        var command = new CliCommand("calibration", Description, Details)
        {
            calibration._model, calibration._classifier, calibration._softplus, calibration._noisyInput, calibration._samples, calibration._steps, calibration._w, calibration._bins,
            calibration._seed, calibration._out, calibration._device.Device, calibration._device.Threads, calibration._device.Math, calibration._json,
        };
        command.SetAction(parsed => calibration.Run(parsed, context));
        return command;
    }

    private int Run(ParseResult parsed, CliContext context)
    {
        string folder = parsed.GetValue(_out)!, path = parsed.GetValue(_model) ?? ShippedFiles.Find("models/digits.safetensors");
        if (File.Exists(folder)) throw new IOException($"Cannot write to '{folder}': it is a file; name a folder.");
        WritableFolder.Require(folder);
        using var kernels = _device.Open(parsed);
        using var model = DiffusionModel.Load(path, kernels);
        if (!model.Settings.TrainedClasses.Any()) throw new UsageException($"'{path}' has no classes: calibration asks whether a classifier names the class an image is drawn for.");
        var designs = new List<Design>();
        var watched = new List<(Design Design, PathCalibration Calibration)>();
        try
        {
            foreach (string file in parsed.GetValue(_classifier)!) designs.AddRange(Load(file, kernels, parsed.IsGiven(_softplus) ? parsed.GetValue(_softplus)! : []));
            if (parsed.GetValue(_noisyInput)) designs.AddRange(designs.Where(d => d.Input == PathInput.Denoised).ToArray().Select(d => d with { Name = d.Name + ", noisy sample", Input = PathInput.State, Owned = null }));
            foreach (var design in designs) new ClassifierObjective(design.Classifier).Require("calibration", model);
            bool isDiscrete = !model.Settings.HasSigmas && model.Settings.Schedule != NoiseScheduleKind.Continuous;
            var table = new SamplerSettings { Kind = isDiscrete ? SamplerKind.Ancestral : SamplerKind.DpmSolver2M, Steps = parsed.GetValue(_steps) }.Build(model);
            int[] classes = [.. model.Settings.TrainedClasses];
            var scale = (GuidanceScale)new GuidanceStrength(parsed.GetValue(_w) ?? 0);
            SampleRequest[] requests = [.. Enumerable.Range(0, parsed.GetValue(_samples)).Select(i => new SampleRequest(classes[i % classes.Length], scale, i))];
            foreach (var design in designs) watched.Add((design, new PathCalibration(design.Classifier, table, requests, design.Input, parsed.GetValue(_bins))));
            Observe(context, model, table, requests, new Guidance(), parsed.GetValue(_seed), o => watched.ForEach(w => w.Calibration.Observe(o)));
            Write(folder, watched);
            var guide = designs.FirstOrDefault(d => d.Input == PathInput.Denoised);
            if (guide is not null && isDiscrete) WriteGradients(folder, context, model, table, requests[..Math.Min(requests.Length, 64)], guide, parsed.GetValue(_seed));
            Report(parsed, context, folder, watched);
        }
        finally
        {
            foreach (var (_, calibration) in watched) calibration.Dispose();
            foreach (var design in designs) design.Owned?.Dispose();
        }
        return ExitCode.Success;
    }

    private static IEnumerable<Design> Load(string path, IKernels kernels, double[] betas)
    {
        string name = Path.GetFileNameWithoutExtension(path);
        if (ClassifierFile.IsNoisy(path))
        {
            var noisy = ClassifierFile.LoadNoisy(path, kernels, new());
            return [new Design(name, noisy, PathInput.State, (IDisposable)noisy)];
        }
        var classifier = ClassifierFile.LoadClean(path, kernels, new ResNetGuideOptions { SoftplusBeta = double.PositiveInfinity }, new(), []);
        if (classifier is not ResNetClassifier) return [new Design(name, classifier, PathInput.Denoised, (IDisposable)classifier)];
        return
        [
            new Design(name + ", ReLU", classifier, PathInput.Denoised, (IDisposable)classifier),
            .. betas.Select(beta =>
            {
                var smooth = ResNetClassifier.Load(path, kernels, new ResNetGuideOptions { SoftplusBeta = beta });
                return new Design(string.Create(CultureInfo.InvariantCulture, $"{name}, beta = {beta}"), smooth, PathInput.Denoised, smooth);
            }),
        ];
    }

    private static void Observe(
        CliContext context, DiffusionModel model, SamplerTable table, SampleRequest[] requests, Guidance guidance, ulong seed, Action<SamplerObservation> observer)
    {
        using var sampler = new GuidedSampler(model, table, new GuidedSamplerOptions { Seed = seed, Guidance = guidance, Observer = observer });
        ConsoleProgress.Run(context, "pass", 0, sampler.Evaluations(requests.Length), progress =>
            sampler.Sample(requests, (_, _) => { }, new ImmediateProgress<SamplingProgress>(p => progress.Report(p.Evaluation, $"{p.Images} of {requests.Length} images")), context.Cancellation));
    }

    private static void Write(string folder, IReadOnlyList<(Design Design, PathCalibration Calibration)> watched)
    {
        var csv = new StringBuilder("classifier,step,log_snr,accuracy,accuracy_se,ece,ece_se\n");
        foreach (var (design, calibration) in watched)
            foreach (var p in calibration.Points)
                csv.Append(CultureInfo.InvariantCulture, $"\"{design.Name}\",{p.Step},{p.LogSnr:G6},{p.Accuracy.Value:G6},{p.Accuracy.StandardError:G4},{p.Error.Value:G6},{p.Error.StandardError:G4}\n");
        File.WriteAllText(Path.Combine(folder, "calibration.csv"), csv.ToString());
        ChartRenderer.Write(new Chart("Calibration along the sampling path", "step, from noise to image", "expected calibration error", [.. watched.Select(w => new ChartSeries(
            w.Design.Name, [.. w.Calibration.Points.Select(p => new ChartPoint(p.Step, p.Error.Value, p.Error.StandardError))]))]), Path.Combine(folder, "calibration.svg"));
    }

    // As figure B.1: the same classifier leads with and without the sine; where it is sure already, the plain gradient fades.
    private static void WriteGradients(string folder, CliContext context, DiffusionModel model, SamplerTable table, SampleRequest[] requests, Design guide, ulong seed)
    {
        var rows = new List<(string Name, GradientTrace Trace)>();
        try
        {
            foreach (var (name, tau, sine) in new[] { ("plain", 1.0, 0.0), ("joint", 0.5, 0), ("sine", 0.5, 0.3) })
            {
                var guider = new EluCdGuider(guide.Classifier, EluCdSettings.Ddpm with { MarginalTemperature = tau, Sine = sine });
                var trace = new GradientTrace(guider, table, requests, model.Kernels);
                rows.Add((name, trace));
                Observe(context, model, table, requests, Guidance.None with { Gradients = [guider] }, seed, trace.Observe);
            }
            ChartRenderer.Write(new Chart($"What guidance by {guide.Name} adds", "step, from noise to image", "root mean square of the shift", [.. rows.Select(r => new ChartSeries(
                r.Name switch { "plain" => "tau2 = 1, no sine", "joint" => "tau2 = 0.5, no sine", _ => "tau2 = 0.5, sine 0.3" },
                [.. r.Trace.Sizes.Select((size, step) => new ChartPoint(step, size))]))]), Path.Combine(folder, "gradients.svg"));
            if (model.Network.Config.InChannels != 1) return;
            int[] shown = [.. Enumerable.Range(0, Pictures).Select(i => i * (table.Steps - 1) / (Pictures - 1)).Distinct()];
            double greatest = rows.Max(r => r.Trace.Greatest(shown));
            if (greatest == 0) return;
            PngWriter.Write(Path.Combine(folder, "gradients.png"), ImageGrid.Compose(
                [.. rows.SelectMany(r => r.Trace.Pictures(shown, greatest))], shown.Length, scale: 2, columnHeads: [.. shown.Select(s => $"{s}")], rowHeads: [.. rows.Select(r => r.Name)]));
        }
        finally
        {
            foreach (var (_, trace) in rows) trace.Dispose();
        }
    }

    private void Report(ParseResult parsed, CliContext context, string folder, IReadOnlyList<(Design Design, PathCalibration Calibration)> watched)
    {
        if (parsed.GetValue(_json))
        {
            JsonReport.Write(context.Out, new JsonObject
            {
                ["out"] = folder, ["samples"] = parsed.GetValue(_samples), ["bins"] = parsed.GetValue(_bins),
                ["classifiers"] = JsonReport.List(watched.Select(w => new JsonObject
                {
                    ["classifier"] = w.Design.Name, ["input"] = JsonReport.Node(w.Design.Input), ["integral_error"] = JsonReport.Node(w.Calibration.IntegralError),
                    ["steps"] = JsonReport.Node(w.Calibration.Points),
                })),
            });
            return;
        }
        var table = new Table { Border = TableBorder.Simple };
        table.AddColumn("classifier").AddColumn("reads").AddColumn("integral calibration error").AddColumn("accuracy at the last step");
        foreach (var (design, calibration) in watched)
            table.AddRow(PlainText.Markup(design.Name), design.Input == PathInput.Denoised ? "clean prediction" : "noisy sample", calibration.IntegralError.ToString(), calibration.Points[^1].Accuracy.ToString());
        context.OutConsole().Write(table);
        context.Out.WriteLine($"Table and pictures: {folder}");
    }

    /// <summary>A classifier in one of the ways that it can be used.</summary>
    private sealed record Design(string Name, IClassifierNetwork Classifier, PathInput Input, IDisposable? Owned);
}
