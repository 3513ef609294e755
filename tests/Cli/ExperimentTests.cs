using System.Text.RegularExpressions;
using NativeDiffusion.Cli;
using NativeDiffusion.Experiments.Plots;
using NativeDiffusion.Experiments.Reports;
using NativeDiffusion.Experiments;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Pictures;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Model;
using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>experiment</c> and <c>calibration</c> with tiny models.</summary>
internal sealed class ExperimentTests : CliFixture
{
    private const int Classes = 3, Size = 8;

    [Test]
    public void AnInterruptedExperimentGoesOnAfterItsFinishedPoints()
    {
        string[] run = Run("guidance-sweep", PathTo("whole"));
        ToolRun whole = ToolRun.Of([.. run, "--json"]);
        Assert.That(whole.ExitCode, Is.Zero, whole.Error);
        int points = Experiment.All.First(e => e.Name == "guidance-sweep").Points.Count;
        Assert.That(whole.Json.GetProperty("made").GetInt32(), Is.EqualTo(points));
        byte[] report = File.ReadAllBytes(PathTo("whole/guidance-sweep.html"));

        ToolRun again = ToolRun.Of([.. run, "--json"]);
        Assert.That(again.Json.GetProperty("made").GetInt32(), Is.Zero);
        Assert.That(again.Json.GetProperty("kept").GetInt32(), Is.EqualTo(points));
        Assert.That(File.ReadAllBytes(PathTo("whole/guidance-sweep.html")), Is.EqualTo(report), "the same points give the same bytes");

        byte[] kept = File.ReadAllBytes(PathTo("whole/points/w-0.json")), lost = File.ReadAllBytes(PathTo("whole/points/w-8.json"));
        File.Delete(PathTo("whole/points/w-8.json"));
        Assert.That(ToolRun.Of([.. run, "--json"]).Json.GetProperty("made").GetInt32(), Is.EqualTo(1));
        Assert.That(File.ReadAllBytes(PathTo("whole/points/w-0.json")), Is.EqualTo(kept));
        Assert.That(WithoutSeconds(File.ReadAllText(PathTo("whole/points/w-8.json"))), Is.EqualTo(WithoutSeconds(System.Text.Encoding.UTF8.GetString(lost))));

        string html = File.ReadAllText(PathTo("whole/guidance-sweep.html"));
        Assert.That(Regex.Matches(html, "src=\"([^\"]{5})").Select(m => m.Groups[1].Value), Has.All.EqualTo("data:").And.Not.Empty);
        Assert.That(html, Does.Not.Contain("http").And.Not.Contain("href").And.Not.Contain("<script").And.Not.Contain("@import").And.Not.Contain("url("));
        Assert.That(PictureReader.Read(PathTo("whole/guidance-sweep.png")).Height, Is.EqualTo(points * (2 + 8 + 2)).Within(points * 8));
        string[] csv = File.ReadAllLines(PathTo("whole/guidance-sweep.csv"));
        Assert.That(csv, Has.Length.EqualTo(points + 1));
        Assert.That(csv.Select(line => line.Split(',').Length), Has.All.EqualTo(csv[0].Split(',').Length));
        Assert.That(csv[1], Does.StartWith("w-0,").And.Contain(",10,0,"), "no evaluation whose weight is 0");
        Assert.That(csv[^1], Does.StartWith("w-8,").And.Contain(",20,0,"));
    }

    [Test]
    public void EveryGuiderOfTheComparisonDraws()
    {
        ToolRun run = ToolRun.Of([.. Run("guiders", PathTo("guiders")), "--json"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var rows = run.Json.GetProperty("rows").EnumerateArray().ToArray();
        Assert.That(rows, Has.Length.EqualTo(Experiment.All.First(e => e.Name == "guiders").Points.Count - 1), "all but autoguidance, for which there is no weak model");
        Assert.That(rows.Select(r => r.GetProperty("cost").GetProperty("evaluations").GetDouble()), Has.All.GreaterThan(0));
        string[] weak = [.. Run("guiders", PathTo("guiders")), "--weak-model", TinyModel(), "--json"];
        ToolRun.Of(weak).AssertError(1, "weak model", "--out");
        foreach (string settings in Directory.GetFiles(PathTo("guiders"), "experiment.json")) File.Delete(settings);
        ToolRun more = ToolRun.Of(weak);
        Assert.That(more.ExitCode, Is.Zero, more.Error);
        Assert.That(more.Json.GetProperty("made").GetInt32(), Is.EqualTo(1), "autoguidance");
    }

    [Test]
    public void ASweepComparesModelsOfSeveralTrainingsBesideRealImages()
    {
        string[] run = Run("guidance-sweep", PathTo("several"));
        string other = PathTo("p05.safetensors"), images = run[Array.IndexOf(run, "--images") + 1], labels = run[Array.IndexOf(run, "--labels") + 1];
        using (var kernels = new CpuKernels(1))
        using (var model = DiffusionModel.Load(run[Array.IndexOf(run, "--model") + 1], kernels))
        using (var half = new DiffusionModel((UNetConfig)model.Config, model.Settings with { NullProbability = 0.5 }, kernels, 7))
            half.Save(other);
        ToolRun several = ToolRun.Of([.. run, "--model", other, "--train-images", images, "--train-labels", labels, "--json"]);
        Assert.That(several.ExitCode, Is.Zero, several.Error);
        var rows = several.Json.GetProperty("rows").EnumerateArray().ToArray();
        int points = Experiment.All.First(e => e.Name == "guidance-sweep").Points.Count;
        Assert.That(rows, Has.Length.EqualTo(1 + 2 * points));
        Assert.That(rows[0].GetProperty("label").GetString(), Does.StartWith("real"));
        Assert.That(rows.Select(r => r.GetProperty("series").GetString()).Skip(1).GroupBy(s => s).Select(g => g.Count()), Is.EqualTo(new[] { points, points }));
        Assert.That(rows[^1].GetProperty("label").GetString(), Is.EqualTo("p_uncond = 0.5, w = 8"));
        Assert.That(rows[1].GetProperty("metrics").GetProperty("frechet").ToString(), Is.Not.EqualTo(rows[1 + points].GetProperty("metrics").GetProperty("frechet").ToString()), "each by its own model");
        Assert.That(rows.Select(r => r.GetProperty("metrics").GetProperty("inception").GetProperty("value").GetDouble()), Has.All.InRange(1, Classes));
        ToolRun.Of([.. Run("steps-sweep", PathTo("no")), "--model", other]).AssertError(2, "steps-sweep", "guidance-sweep");
        ToolRun.Of([.. run, "--train-images", images]).AssertError(2, "--train-labels");
    }

    [Test]
    public void APointThatAnOlderVersionMeasuredLessOfIsMadeAgain()
    {
        string[] run = [.. Run("temperature", PathTo("older")), "--json"];
        Assert.That(ToolRun.Of(run).ExitCode, Is.Zero);
        string point = PathTo("older/points/w-0.json");
        File.WriteAllText(point, File.ReadAllText(point).Replace("\"inception\"", "\"something\"", StringComparison.Ordinal));
        Assert.That(ToolRun.Of(run).Json.GetProperty("made").GetInt32(), Is.EqualTo(1));
    }

    [Test]
    public void WhatCannotRunIsSaid()
    {
        ToolRun.Of("experiment", "guidrs").AssertError(2, "no experiment 'guidrs'", "guiders");
        ToolRun.Of("experiment", "zzz").AssertError(2, "there are", "temperature");
        ToolRun.Of("experiment", "guiders", "--images", "x").AssertError(2, "--labels");
        string[] run = Run("guidance-sweep", PathTo("one"));
        Directory.CreateDirectory(PathTo("one"));
        Assert.That(ToolRun.Of(run).ExitCode, Is.Zero);
        ToolRun.Of([.. Run("steps-sweep", PathTo("one"))]).AssertError(1, "holds the experiment guidance-sweep", "--out");
        ToolRun.Of([.. run, "--seed", "2"]).AssertError(1, "seed 0", "2");
        ToolRun.Of([.. run.Select(a => a == "21" ? "24" : a)]).AssertError(1, "21 samples", "24");
        File.WriteAllText(PathTo("one/points/w-0.json"), "{");
        ToolRun.Of(run).AssertError(1, "w-0.json", "damaged");
    }

    [Test]
    public void ExperimentsHaveNamesAndPointsOfTheirOwn()
    {
        Assert.That(Experiment.All.Select(e => e.Name), Is.Unique);
        foreach (var experiment in Experiment.All)
        {
            Assert.That(experiment.Points.Select(p => p.Key), Is.Unique.And.All.Match("^[a-z0-9.-]+$"), experiment.Name);
            Assert.That(experiment.Points.GroupBy(p => p.Group).Select(g => g.Select(p => p.Label)), Has.All.Unique);
        }
        Assert.That(ToolRun.Of("experiment", "--help").Output, Does.Contain("elucd-ablations").And.Contain("--quick"));
    }

    [Test]
    public void DifferencesWithinTwiceTheirErrorAreNone()
    {
        Assert.That(Significance.Differ(new Estimate(1, 0.3), new Estimate(2, 0.4)), Is.False);
        Assert.That(Significance.Differ(new Estimate(1, 0.3), new Estimate(2.01, 0.4)), Is.True);
        Assert.That(Significance.Differ(new Estimate(1, double.NaN), new Estimate(9, 0)), Is.False);
        Assert.That(NearestWord.Distance("guidrs", "guiders"), Is.EqualTo(1));
    }

    [Test]
    public void ChartsAreSvgThatEveryReaderTakes()
    {
        string svg = ChartRenderer.ToSvg(new Chart("a & b", "x", "y", [new("first", [new(0, 1, 0.1), new(1, double.NaN), new(2, 3)]), new("second", [new(0, 2, 0, "mark")], IsLine: false)]));
        Assert.That(System.Xml.Linq.XDocument.Parse(svg).Root!.Name.LocalName, Is.EqualTo("svg"));
        Assert.That(svg, Does.Not.Contain(", \""));
        Assert.That(ChartRenderer.FontOf(["Zapf", "Arial"]), Is.EqualTo("Arial"));
        Assert.That(ChartRenderer.FontOf([]), Is.Null);
        Assert.That(ChartRenderer.FontOf([""]), Is.Null, "SkiaSharp without a font manager");
    }

    [Test]
    public void ChartsHaveTheirTextWhereTheMachineHasAFont()
    {
        string svg = ChartRenderer.ToSvg(new Chart("a title", "x", "y", [new("first", [new(0, 1, 0.1), new(2, 3)])]));
        using var machine = MachineFonts.FaceFor("a title")?.Face;
        Assert.That(ChartRenderer.HasFonts, Is.EqualTo(machine is not null || !OperatingSystem.IsLinux()));
        if (ChartRenderer.HasFonts) Assert.That(svg, Does.Contain("a title").And.Contain("<text"));
    }

    [Test]
    public void CalibrationWritesTableAndPictures()
    {
        string model = TinyModel(), clean = Clean(), noisy = Noisy(), resnet = ResNet();
        ToolRun run = ToolRun.Of(
            "calibration", model, "--classifier", clean, "--classifier", noisy, "--classifier", resnet, "--softplus", "8,3", "--noisy-input", "--samples", "9", "--steps", "3", "--out", PathTo("c"), "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var classifiers = run.Json.GetProperty("classifiers").EnumerateArray().ToArray();
        Assert.That(classifiers.Select(c => c.GetProperty("classifier").GetString()), Has.Exactly(5 + 4).Items.And.Some.EqualTo("resnet, beta = 8").And.Some.EqualTo("clean, noisy sample"));
        Assert.That(classifiers.Select(c => c.GetProperty("integral_error").GetProperty("value").GetDouble()), Has.All.InRange(0, 1));
        Assert.That(new[] { "calibration.csv", "calibration.svg", "gradients.svg", "gradients.png" }.Select(f => File.Exists(PathTo("c/" + f))), Has.All.True);
        ToolRun.Of("calibration", model).AssertError(2, "--classifier");
    }

    [Test]
    public void OneCommandTrainsAResNetThatGuides()
    {
        string path = PathTo("relu.safetensors");
        ToolRun run = ToolRun.Of("train-classifier", "--resnet", "--folder", TinyData(), "--epochs", "60", "--batch", "6", "--width", "8", "--levels", "2", "--out", path, "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("last_epoch_loss").GetDouble(), Is.LessThan(0.3));
        using var kernels = new CpuKernels(1);
        using var classifier = ResNetClassifier.Load(path, kernels, new ResNetGuideOptions { SoftplusBeta = double.PositiveInfinity });
        var data = PictureFolder.Open(PathTo("data")).Load();
        Assert.That(classifier.Classify(data).CountCorrect(data.Labels.Span), Is.EqualTo(6), "as read back under the published names");
        ToolRun.Of("train-classifier", "--resnet", "--noisy").AssertError(2, "--resnet");
    }

    private static string WithoutSeconds(string json) => Regex.Replace(json, "\"seconds\": [0-9.E-]+", "");

    private string[] Run(string experiment, string folder)
    {
        string images = PathTo("images.idx"), labels = PathTo("labels.idx");
        const int Count = 30;
        byte[] pixels = new byte[Count * Size * Size];
        new Random(4).NextBytes(pixels);
        File.WriteAllBytes(images, [0, 0, 8, 3, 0, 0, 0, Count, 0, 0, 0, Size, 0, 0, 0, Size, .. pixels]);
        File.WriteAllBytes(labels, [0, 0, 8, 1, 0, 0, 0, Count, .. Enumerable.Range(0, Count).Select(i => (byte)(i % Classes))]);
        return
        [
            "experiment", experiment, "--samples", "21", "--threads", "2", "--model", TinyModel(), "--judge", Clean(), "--guide-classifier", ResNet(), "--noisy-classifier", Noisy(), "--images", images,
            "--labels", labels, "--out", folder,
        ];
    }

    private string Clean()
    {
        string path = PathTo("clean.safetensors");
        using var kernels = new CpuKernels(1);
        using var classifier = new ImageClassifier(new ClassifierConfig { ImageSize = Size, InChannels = 1, Width = 8, Levels = 2, Blocks = 1, ClassNames = ["0", "1", "2"] }, kernels);
        classifier.Save(path);
        return path;
    }

    private string ResNet()
    {
        string path = PathTo("resnet.safetensors");
        using var kernels = new CpuKernels(1);
        using var classifier = new ResNetClassifier(new ResNetConfig { Layers = [1, 1], Width = 4, InChannels = 1, Classes = Classes, Stem = ResNetStem.Cifar }, kernels, 2);
        classifier.Save(path);
        return path;
    }

    private string Noisy()
    {
        string path = PathTo("noisy.safetensors");
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new EncoderUNet(new EncoderUNetConfig
        {
            ImageSize = Size, InChannels = 1, OutChannels = Classes, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1, 1], AttentionResolutions = [2], NumHeadChannels = 32,
            UseScaleShiftNorm = true, ResblockUpdown = true, Pool = ClassifierPool.Attention,
        }).Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 1);
        SafetensorsWriter.Write(path, WeightFile.Entries(parameters, kernels, "", DType.F32), new Dictionary<string, string>());
        return path;
    }
}
