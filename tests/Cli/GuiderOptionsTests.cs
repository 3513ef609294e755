using System.Text.Json;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary>Options of single guiders, and what is said beside the images.</summary>
internal sealed class GuiderOptionsTests : CliFixture
{
    private static readonly string[] Ddpm = ["--sampler", "ddpm"];

    private string _model = "";

    [SetUp]
    public void MakeModel() => _model = TinyModel();

    [Test]
    public void EveryOptionChangesTheImages()
    {
        string[] cfg = ["--guider", "cfg", "--w", "4"], fdg = ["--guider", "cfg", "--guider", "fdg"], momentum = [.. cfg, "--guider", "apg-momentum", "--apg-threshold", "0"];
        string[] mix = [.. cfg, "--guider", "apg-mix", "--apg-mix-after", "1"];
        string[] elucd = ["--guider", "elucd", "--classifier", ResNet(), "--classifier-scale", "40", .. Ddpm];
        (string[] Without, string[] With)[] pairs =
        [
            (cfg, momentum), (momentum, [.. momentum, "--apg-momentum", "0.5"]), (momentum, [.. momentum, "--apg-eta", "1"]), ([.. cfg, "--guider", "apg", "--apg-threshold", "0"], momentum),
            ([.. momentum, "--apg-momentum", "0"], [.. momentum, "--apg-momentum", "0", "--rescale", "1"]),
            (mix, [.. mix[..^1], "2"]), (mix, [.. mix, "--apg-mix-scale", "3"]), (mix, [.. mix, "--apg-momentum", "0.5"]),
            (["--w", "0"], fdg), (fdg, [.. fdg, "--fdg-scales", "2,1"]), (fdg, [.. fdg, "--fdg-parallel", "0.5,0"]), (fdg, [.. fdg, "--rescale", "0.7"]), (fdg, [.. fdg, "--fdg-scales", "10,5,1"]),
            (cfg, [.. cfg, "--guider", "dynamic-threshold", "--threshold-quantile", "0.5"]),
            ([.. cfg, "--guider", "dynamic-threshold", "--threshold-quantile", "0.5"], [.. cfg, "--guider", "dynamic-threshold", "--threshold-quantile", "0.5", "--threshold-most", "1"]),
            (["--guider", "pag"], ["--guider", "pag", "--perturb-blocks", "0"]), (["--guider", "pag"], ["--guider", "pag", "--perturb-blocks", "0,1,2"]),
            (["--guider", "seg", "--perturb", "50"], ["--guider", "seg", "--perturb", "50", "--seg-sigma", "0.5"]),
            (elucd, [.. elucd, "--normalize", "0.5:0.1"]), (elucd, [.. elucd, "--classifier-size", "5"]), (elucd, [.. elucd, "--batch-variance", "--sine", "2"]),
        ];
        foreach (var (without, with) in pairs) Assert.That(Pixels(with), Is.Not.EqualTo(Pixels(without)), string.Join(' ', with));
    }

    [Test]
    public void BandsOfOneScaleAreOrdinaryGuidance() =>
        Assert.That(Pixels("--guider", "cfg", "--guider", "fdg", "--fdg-scales", "3,3"), Is.EqualTo(Pixels("--scale", "3")).Within(1), "one step of a byte");

    [Test]
    public void MomentumOfNoneIsApg() =>
        Assert.That(Pixels("--guider", "cfg", "--w", "4", "--guider", "apg-momentum", "--apg-momentum", "0"), Is.EqualTo(Pixels("--guider", "cfg", "--w", "4", "--guider", "apg")).Within(1));

    [Test]
    public void TheScoreFormOfAClassifierLeavesPureNoiseAlone()
    {
        string noisy = PathTo("noisy.safetensors");
        using (var classifier = new NoisyClassifier(EncoderUNetConfig.OfSize(8, 1, 3, 8, 2), new DiffusionSettings { Schedule = NoiseScheduleKind.Cosine }, ["a", "b", "c"]))
        {
            // A new network's head is zero.
            var head = classifier.Parameters["out.2.c_proj.weight"];
            classifier.Parameters.Kernels.Upload([.. Enumerable.Range(0, (int)head.Shape.Count).Select(i => MathF.Sin(i))], classifier.Parameters.ValueOf(head));
            classifier.Save(noisy);
        }
        string[] guided = ["--sampler", "ddim", "--guider", "classifier", "--classifier", noisy];
        Assert.That(Pixels(guided), Is.EqualTo(Pixels([.. guided, "--interval-sigma", "0:80"])));
        Assert.That(Pixels(guided), Is.Not.EqualTo(Pixels([.. guided, "--interval-sigma", "0:1e9"])));
        Assert.That(Pixels(guided), Is.Not.EqualTo(Pixels("--sampler", "ddim", "--w", "0")));
    }

    [Test]
    public void PlainGuidanceIsSaidBesideTheImagesToo()
    {
        string folder = PathTo("images");
        ToolRun.Of("sample", "--model", _model, "--classes", "1", "--w", "2", "--interval-steps", "1:2", "--steps", "3", "--seed", "5", "--out", folder, "--format", "png");
        var said = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "guidance.json"))).RootElement;
        Assert.That(said.GetProperty("guidance").GetString(), Is.EqualTo("cfg"));
        Assert.That(said.GetProperty("strengths").EnumerateArray().Single().GetDouble(), Is.EqualTo(2));
        Assert.That((said.GetProperty("sampler").GetString(), said.GetProperty("spacing").GetString(), said.GetProperty("seed").GetInt32()), Is.EqualTo(("dpm++2m", "uniform", 5)));
        var options = said.GetProperty("options");
        Assert.That((options.GetProperty("--w").GetString(), options.GetProperty("--interval-steps").GetString()), Is.EqualTo(("2", "1:2")));
        ToolRun.Of("sample", "--model", _model, "--classes", "1", "--scale", "3", "--steps", "2", "--seed", "0", "--out", PathTo("grid.png"));
        Assert.That(File.ReadAllText(PathTo("grid.png.json")), Does.Contain("\"--scale\": \"3\""));
    }

    [Test]
    public void WrongOptionsAreOneClearLine()
    {
        void Refuse(int code, string[] options, params string[] texts) =>
            ToolRun.Of(["sample", "--model", _model, "--out", PathTo("x.png"), "--classes", "1", "--steps", "3", .. options]).AssertError(code, texts);
        Refuse(2, ["--apg-momentum", "0"], "apg-momentum", "--guider");
        Refuse(2, ["--guider", "cfg", "--guider", "apg", "--guider", "apg-momentum"], "two ways");
        Refuse(2, ["--guider", "cfg", "--guider", "fdg", "--w", "3"], "--fdg-scales", "0 (unguided)");
        Refuse(2, ["--guider", "cfg", "--guider", "fdg", "--scale", "3"], "--fdg-scales");
        Refuse(2, ["--guider", "cfg", "--guider", "fdg", "--fdg-scales", "3,2", "--fdg-parallel", "1"], "2 bands", "1");
        Refuse(1, ["--guider", "cfg", "--guider", "fdg", "--fdg-scales", "3,2,1,1,1"], "8 x 8", "fewer bands");
        Refuse(2, ["--threshold-quantile", "0.9"], "dynamic-threshold");
        Refuse(2, ["--guider", "dynamic-threshold", "--threshold-quantile", "2"], "--threshold-quantile", "1");
        Refuse(2, ["--guider", "pag", "--seg-sigma", "2"], "seg");
        Refuse(2, ["--guider", "pag", "--perturb-blocks", "0.5"], "whole numbers", "0.5");
        Refuse(1, ["--guider", "pag", "--perturb-blocks", "99"], "block 99");
        Refuse(1, ["--guider", "slg", "--slg-skip", "attention"], "transformers");
        string[] elucd = ["--guider", "elucd", "--classifier", ResNet(), .. Ddpm];
        Refuse(2, [.. elucd, "--normalize", "0.5"], "--normalize", "colon");
        Refuse(2, [.. elucd, "--normalize", "0.5:a"], "'a' is not a number");
        Refuse(1, [.. elucd, "--normalize", "imagenet"], "3 channels", "classifier 1");
        Refuse(1, [.. elucd, "--normalize", "0.5:0"], "above 0");
    }

    private byte[] Pixels(params string[] options)
    {
        ToolRun run = ToolRun.Of(["sample", "--model", _model, "--classes", "1", "--count", "2", "--steps", "4", "--seed", "0", "--out", PathTo("x.npz"), .. options.Contains("--w") || options.Contains("--scale")
            || options.Any(o => o is "pag" or "seg" or "elucd" or "classifier") ? options : [.. options, "--w", "1"]]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return NpzReader.ReadImages(PathTo("x.npz"), out _).Pixels.ToArray();
    }

    private string ResNet()
    {
        string path = PathTo("resnet.safetensors");
        var network = new ResNet(new ResNetConfig { Layers = [1, 1], Width = 4, Classes = 3, InChannels = 1, Stem = ResNetStem.Cifar, Shortcut = ResNetShortcut.Projection });
        SafetensorsWriter.Write(path, network.Published.Select((t, k) =>
        {
            float[] values = [.. Enumerable.Range(0, (int)t.Extents.Aggregate(1L, (a, b) => a * b)).Select(i => MathF.Sin(i * i + k))];
            return TensorEntry.Of(t.Key, [.. t.Extents], t.Key.EndsWith("running_var", StringComparison.Ordinal) ? Array.ConvertAll(values, v => 1 + v * v) : values);
        }).ToList(), new Dictionary<string, string>());
        return path;
    }
}
