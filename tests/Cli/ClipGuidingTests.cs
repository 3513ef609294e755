using System.Globalization;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Tests.Model.Autoencoders;
using NativeDiffusion.Tests.Model.Clip;
using NativeDiffusion.Tests.Model.Published;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>sample --guider clip</c> and <c>universal</c>, and guidance of latents.</summary>
internal sealed class ClipGuidingTests : CliFixture
{
    private string[] Clip()
    {
        TinyClip.Write(PathTo("clip.safetensors"));
        TinyClip.WriteVocabulary(PathTo("merges.txt"));
        return ["--clip", PathTo("clip.safetensors"), "--clip-vocabulary", PathTo("merges.txt")];
    }

    [Test]
    public void ScoresAlongThePathAreATableAndAChartWithAndWithoutTheSine()
    {
        string model = TinyModel(), table = PathTo("scores.csv");
        string[] sample = ["sample", "--model", model, "--classes", "1", "--count", "3", "--steps", "4", "--seed", "0", "--out", PathTo("x.npz"), .. Clip(), "--prompt", "a cat", "--clip-scores", table];
        ToolRun run = ToolRun.Of([.. sample, "--guider", "clip", "--sampler", "ddpm"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        string[] lines = File.ReadAllLines(table);
        Assert.That(lines[0], Is.EqualTo("evaluation,step,sigma,score,standard_error,score_without_sine,standard_error_without_sine"));
        double[][] rows = [.. lines.Skip(1).Select(l => l.Split(',').Select(v => double.Parse(v, CultureInfo.InvariantCulture)).ToArray())];
        Assert.That(rows.Select(r => r[1]), Is.EqualTo(new double[] { 0, 1, 2, 3 }));
        Assert.That(rows.Select(r => r[3]), Has.All.InRange(-1.0, 1.0));
        Assert.That(rows[0][3], Is.EqualTo(rows[0][5]).Within(1e-6), "nothing differs before the first shift");
        Assert.That(rows[3][3], Is.Not.EqualTo(rows[3][5]));
        Assert.That(File.ReadAllText(PathTo("scores.svg")), Does.Contain("with the sine").And.Contain("without"));
        Assert.That(File.ReadAllText(PathTo("x.npz.json")), Does.Contain("\"clip\"").And.Contain("a cat"));
        byte[] images = File.ReadAllBytes(PathTo("x.npz"));

        // Scores change no image; without a sine there is one run and one score.
        run = ToolRun.Of([.. sample, "--guider", "clip", "--sampler", "ddpm", "--sine", "0"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(File.ReadAllLines(table)[0], Does.EndWith("standard_error"));
        run = ToolRun.Of([.. sample[..^2], "--guider", "clip", "--sampler", "ddpm"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(File.ReadAllBytes(PathTo("x.npz")), Is.EqualTo(images));
        run = ToolRun.Of([.. sample, "--guider", "universal", "--backward-steps", "1", "--against", "a dog", "--sampler", "ddim"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(File.ReadAllLines(table), Has.Length.EqualTo(5));
    }

    [Test]
    public void PromptsLeadAModelWithoutClasses()
    {
        string plain = PathTo("plain.safetensors");
        PublishedFixture.Write(plain, PublishedFixture.Adm with { ImageSize = 8, AttentionResolutions = [] });
        ToolRun run = ToolRun.Of(["sample", "--model", plain, "--image-size", "8", "--sampler", "ddpm", "--steps", "2", "--seed", "0", "--out", PathTo("x.npz"), "--guider", "clip", .. Clip(), "--prompt", "fox", "--prompt", "owl"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(NpzReader.ReadImages(PathTo("x.npz"), out _).Count, Is.EqualTo(2));
    }

    [Test]
    public void LatentsAreGuidedThroughTheirDecoder()
    {
        string dit = PathTo("dit.safetensors"), vae = PathTo("vae.safetensors"), clean = PathTo("clean.safetensors");
        using (var kernels = new CpuKernels(1))
        {
            using var model = TinyAutoencoder.Model(kernels);
            model.Save(dit);
            using var classifier = new ImageClassifier(
                new ClassifierConfig { ImageSize = TinyAutoencoder.Pictures, InChannels = 3, ClassNames = ["a", "b", "c"], Width = 8, Levels = 2, NormGroups = 4 }, kernels);
            Model.TinyModel.FillRandom(classifier.Parameters, kernels);
            classifier.Save(clean);
        }
        TinyAutoencoder.Write(vae);
        byte[] Drawn(params string[] options)
        {
            string[] sample = ["sample", "--model", dit, "--autoencoder", vae, "--classes", "1", "--scale", "1.5", "--sampler", "ddim", "--steps", "3", "--seed", "0", "--no-clip", "--out", PathTo("x.npz"), "--guider", "cfg"];
            ToolRun run = ToolRun.Of([.. sample, .. options]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            return File.ReadAllBytes(PathTo("x.npz"));
        }
        byte[] plain = Drawn(), elucd = Drawn("--guider", "elucd", "--classifier", clean);
        Assert.That(elucd, Is.Not.EqualTo(plain));
        Assert.That(Drawn("--guider", "elucd", "--classifier", clean, "--classifier-scale", "0.5"), Is.Not.EqualTo(elucd));
        Assert.That(Drawn(["--guider", "clip", .. Clip(), "--prompt", "owl", "--classifier-scale", "0.5"]), Is.Not.EqualTo(plain));
        Assert.That(Drawn("--guider", "universal", "--classifier", clean), Is.Not.EqualTo(plain));
        ToolRun.Of("sample", "--model", dit, "--autoencoder", vae, "--out", PathTo("x.npz"), "--sampler", "ddim", "--steps", "2", "--guider", "elucd", "--classifier", clean).AssertError(1, "add cfg");
    }

    [Test]
    public void WrongUseIsOneClearLine()
    {
        string model = TinyModel(), clip = PathTo("clip.safetensors"), merges = PathTo("merges.txt");
        string[] given = Clip();
        File.WriteAllText(PathTo("bad.txt"), "header\nonly-one-symbol\n");
        TinyClip.WriteVocabulary(PathTo("more.txt"), 2);
        void Refuse(int code, string[] options, params string[] texts) =>
            ToolRun.Of(["sample", "--model", model, "--out", PathTo("x.png"), "--classes", "1", "--steps", "2", .. options.Contains("--sampler") ? options : [.. options, "--sampler", "ddpm"]]).AssertError(code, texts);
        Refuse(2, ["--guider", "clip"], "--clip FILE");
        Refuse(2, ["--guider", "clip", "--clip", clip, "--prompt", "x"], "--clip-vocabulary");
        Refuse(2, ["--guider", "clip", .. given], "--prompt TEXT");
        Refuse(2, ["--guider", "clip", .. given, "--prompt", " "], "empty");
        Refuse(2, ["--guider", "clip", .. given, "--prompt", "x", "--against", "x"], "twice");
        Refuse(2, ["--guider", "clip", .. given, "--prompt", "x", "--prompt", "y"], "one --prompt");
        Refuse(2, ["--guider", "clip", .. given, "--prompt", "x", "--target", "1"], "--target belongs to");
        Refuse(2, ["--guider", "universal", .. given, "--prompt", "x", "--target", "1"], "--prompt");
        Refuse(2, ["--guider", "universal"], "--classifier FILE", "--clip FILE");
        Refuse(2, ["--guider", "universal", "--classifier", model, "--prompt", "x"], "--prompt");
        Refuse(2, ["--guider", "universal", .. given, "--prompt", "x", "--backward-rate", "0.1"], "--backward-steps");
        Refuse(2, ["--guider", "universal", "--guider", "clip", .. given, "--prompt", "x"], "choose one");
        Refuse(2, ["--prompt", "x"], "clip, universal");
        Refuse(2, ["--recurrences", "2,0.5"], "from 1");
        Refuse(2, ["--recurrences", "1.5"], "whole numbers");
        Refuse(1, ["--guider", "clip", .. given, "--prompt", "much too long for it"], "6 tokens", "shorten");
        Refuse(1, ["--guider", "clip", "--clip", model, "--clip-vocabulary", merges, "--prompt", "x"], "CLIP");
        Refuse(1, ["--guider", "clip", "--clip", PathTo("none.pt"), "--clip-vocabulary", merges, "--prompt", "x"], "none.pt");
        Refuse(1, ["--guider", "clip", "--clip", clip, "--clip-vocabulary", PathTo("bad.txt"), "--prompt", "x"], "line 2");
        Refuse(1, ["--guider", "clip", "--clip", clip, "--clip-vocabulary", PathTo("more.txt"), "--prompt", "x"], "516 tokens");
        Refuse(1, ["--guider", "clip", .. given, "--prompt", "x", "--sampler", "ddim"], "ddpm");
        Refuse(2, ["--guider", "clip", .. given, "--prompt", "x", "--clip-scores", PathTo("a.svg")], ".csv");
        Refuse(1, ["--guider", "universal", .. given, "--prompt", "x", "--guider", "cfg", "--guider", "tcfg"], "sums over the sample");
    }
}
