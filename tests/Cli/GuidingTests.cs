using NativeDiffusion.Cli.Guiding;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NativeDiffusion.Tests.Model.Clip;
using NativeDiffusion.Tests.Model.Published;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>sample --guider</c>.</summary>
internal sealed class GuidingTests : CliFixture
{
    private static readonly string[] Euler = ["--sampler", "euler", "--steps", "3"], Ddpm = ["--sampler", "ddpm", "--steps", "3"];

    [Test]
    public void EveryGuiderDrawsImagesAndIsSaidBesideThem()
    {
        string model = TinyModel(), clean = CleanClassifier(3), noisy = NoisyClassifierFile();
        string clip = PathTo("clip.safetensors"), merges = PathTo("merges.txt");
        TinyClip.Write(clip);
        TinyClip.WriteVocabulary(merges);
        (string[] Options, string Said)[] runs =
        [
            (["--guider", "cfg", "--guider", "rescale", "--rescale", "0.5"], "cfg + rescale"), (["--guider", "cfg", "--guider", "zero*", "--zero-steps", "1"], "cfg + zero*"),
            (["--guider", "cfg", "--guider", "tcfg"], "cfg + tcfg"), (["--guider", "cfg", "--guider", "mambo-g"], "cfg + mambo-g"), (["--guider", "icg", "--guider", "apg"], "icg + apg"),
            (["--guider", "cfg", "--guider", "cfg++", "--scale", "0.6"], "cfg + cfg++"), (["--guider", "cfg", "--guide-when", "cosine", "--recurrences", "2", .. Euler], "cfg"),
            (["--guider", "autoguidance", "--guide", model], "autoguidance"), (["--guider", "pag", "--perturb", "2"], "pag"), (["--guider", "slg"], "slg"), (["--guider", "seg"], "seg"),
            (["--guider", "cfg", "--guider", "apg-momentum"], "cfg + apg-momentum"), (["--guider", "cfg", "--guider", "fdg"], "cfg + fdg"),
            (["--guider", "cfg", "--guider", "apg-mix"], "cfg + apg-mix"), (["--guider", "cfg", "--guider", "dynamic-threshold"], "cfg + dynamic-threshold"), (["--guider", "noise-temperature", "--temperature", "0.8", .. Ddpm], "noise-temperature"), (["--guider", "score-scale", .. Euler], "score-scale"),
            (["--guider", "classifier", "--classifier", noisy, "--classifier-scale", "2", .. Ddpm], "classifier"), (["--guider", "classifier", "--classifier", noisy], "classifier"),
            (["--guider", "elucd", "--classifier", clean, "--tau2", "0", "--sine", "0.1", .. Ddpm], "elucd"), (["--guider", "elucd-edm", "--classifier", clean, .. Euler], "elucd-edm"),
            (["--guider", "elucd", "--guider", "classifier", "--classifier", clean, "--noisy-classifier", noisy, "--change-step", "2", .. Ddpm], "elucd + classifier"),
            (["--guider", "clip", "--clip", clip, "--clip-vocabulary", merges, "--prompt", "cat", .. Ddpm], "clip"),
            (["--guider", "cfg", "--guider", "universal", "--classifier", clean, "--backward-steps", "2", "--recurrences", "2,1", .. Euler], "cfg + universal"),
        ];
        foreach (var (options, said) in runs)
        {
            ToolRun run = ToolRun.Of(["sample", "--model", model, "--classes", "1", "--steps", "3", "--seed", "0", "--out", PathTo("x.npz"), "--json", .. options.Contains("--steps") ? options[..^2] : options]);
            Assert.That(run.ExitCode, Is.Zero, $"{said}: {run.Error}");
            Assert.That(run.Json.GetProperty("guidance").GetString(), Is.EqualTo(said));
            Assert.That(File.ReadAllText(PathTo("x.npz.json")), Does.Contain($"\"{said}\"").And.Contain("--guider"));
        }
        Assert.That(runs.SelectMany(r => r.Said.Split(" + ")).ToHashSet(), Is.SupersetOf(GuiderNames.All.Select(g => g.Name)), "every name is tried");
    }

    [Test]
    public void AClassifierLeadsAModelWithoutClasses()
    {
        string plain = PathTo("plain.safetensors"), clean = CleanClassifier(5, 16);
        PublishedFixture.Write(plain, PublishedFixture.Adm);
        string[] sample = ["sample", "--model", plain, "--image-size", "16", "--sampler", "ddpm", "--steps", "2", "--seed", "0", "--out", PathTo("x.npz"), "--guider", "elucd", "--classifier", clean];
        ToolRun.Of(sample).AssertError(2, "--target");
        ToolRun run = ToolRun.Of([.. sample, "--target", "4,1"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        NpzReader.ReadImages(PathTo("x.npz"), out bool labelled);
        Assert.That(labelled);
        ToolRun.Of([.. sample, "--target", "5"]).AssertError(1, "0 to 4");
    }

    [Test]
    public void WrongGuidanceIsOneClearLine()
    {
        string model = TinyModel(), clean = CleanClassifier(3), five = CleanClassifier(5), large = CleanClassifier(3, 16);
        void Refuse(int code, string[] options, params string[] texts) =>
            ToolRun.Of(["sample", "--model", model, "--out", PathTo("x.png"), "--classes", "1", .. options.Contains("--steps") ? options : [.. options, "--steps", "3"]]).AssertError(code, texts);
        Refuse(2, ["--guider", "foo"], "foo", "cfg");
        Refuse(2, ["--guider", "cfg", "--guider", "cfg"], "twice");
        Refuse(2, ["--zero-steps", "2"], "zero*");
        Refuse(2, ["--guider", "autoguidance"], "--guide FILE");
        Refuse(2, ["--guider", "elucd"], "--classifier FILE");
        Refuse(2, ["--guider", "cfg", "--guider", "apg", "--guider", "tcfg"], "two ways");
        Refuse(2, ["--guider", "pag", "--w", "2"], "cfg, icg");
        Refuse(1, ["--guider", "rescale"], "second one");
        Refuse(1, ["--guider", "elucd", "--classifier", clean], "ddpm");
        Refuse(1, ["--guider", "elucd", "--classifier", five, .. Ddpm], "5 classes", "target");
        Refuse(1, ["--guider", "elucd", "--classifier", large, .. Ddpm], "16x16");
        Refuse(1, ["--guider", "classifier", "--classifier", clean], "noisy classifier");
        Refuse(1, ["--guider", "cfg", "--guider", "cfg++", "--sampler", "heun"], "CFG++");
        Refuse(1, ["--guider", "pag", "--guider", "seg"], "one way");
        Refuse(2, ["--guider", "elucd-edm", "--classifier", clean, "--guide-when", "linear"], "schedule of its own");
    }

    [Test]
    public void HelpSaysWhenCostAndSource() =>
        Assert.That(ToolRun.Of("sample", "--help").Output, Does.Contain("mambo-g").And.Contain("2508.03442").And.Contain("costs"));

    private string CleanClassifier(int classes, int size = 8)
    {
        string path = PathTo($"clean{classes}-{size}.safetensors");
        using var kernels = new CpuKernels(1);
        using var classifier = new ImageClassifier(
            new ClassifierConfig { ImageSize = size, InChannels = size == 8 || classes == 3 ? 1 : 3, Width = 8, Levels = 2, Blocks = 1, ClassNames = [.. Enumerable.Range(0, classes).Select(i => $"{i}")] }, kernels);
        classifier.Save(path);
        return path;
    }

    private string NoisyClassifierFile()
    {
        string path = PathTo("noisy.safetensors");
        var network = new EncoderUNet(new EncoderUNetConfig
        {
            ImageSize = 8, InChannels = 1, OutChannels = 3, ModelChannels = 32, NumResBlocks = 1, ChannelMult = [1, 1], AttentionResolutions = [2], NumHeadChannels = 32,
            UseScaleShiftNorm = true, ResblockUpdown = true, Pool = ClassifierPool.Attention,
        });
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        network.Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 1);
        SafetensorsWriter.Write(path, WeightFile.Entries(parameters, kernels, "", DType.F32), new Dictionary<string, string>());
        return path;
    }
}
