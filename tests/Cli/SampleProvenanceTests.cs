using System.Text;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary>How pictures were made, in their files; and pictures on the way: previews, animations, interpolations.</summary>
internal sealed class SampleProvenanceTests : CliFixture
{
    [Test]
    public void AGridSaysHowItWasMadeAndIsMadeAgain()
    {
        string model = TinyModel();
        ToolRun run = ToolRun.Of("sample", "--model", model, "--steps", "3", "--sampler", "ddim", "--eta", "0.5", "--out", PathTo("a.png"), "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        ulong seed = run.Json.GetProperty("seed").GetUInt64();
        var texts = PngText.Read(PathTo("a.png"));
        var info = ToolRun.Of("info", PathTo("a.png"), "--json").Json;
        ToolRun again = ToolRun.Of("sample", "--like", PathTo("a.png"), "--out", PathTo("b.png"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(texts.Select(t => t.Keyword), Is.EqualTo(new[] { "parameters", "nativediffusion" }));
            Assert.That(texts[0].Text, Does.StartWith("cat, dog, 7\nSteps: 3, Sampler: ddim, Schedule type: ").And.Contain($"CFG scale: 1, 1.5, 2, 3, 5, Seed: {seed}, ").And.Contain("Model: tiny, Version: nativediffusion "));
            Assert.That(info.GetProperty("made").GetProperty("classes").EnumerateArray().Select(c => c.GetString()), Is.EqualTo(new[] { "cat", "dog", "7" }));
            Assert.That(info.GetProperty("made").GetProperty("model_hash").GetString(), Has.Length.EqualTo(64));
            Assert.That(ToolRun.Of("info", PathTo("a.png")).Output, Does.Contain($"seed: {seed}").And.Contain("--eta 0.5").And.Contain("sample --like"));
            Assert.That(again.ExitCode, Is.Zero, again.Error);
            Assert.That(File.ReadAllBytes(PathTo("b.png")), Is.EqualTo(File.ReadAllBytes(PathTo("a.png"))), "texts and pixels");
        }
        ToolRun other = ToolRun.Of("sample", "--like", PathTo("a.png"), "--seed", $"{seed + 1}", "--out", PathTo("c.png"));
        Assert.That((other.ExitCode, PixelsOf("c.png").SequenceEqual(PixelsOf("a.png"))), Is.EqualTo((0, false)), other.Error);
        ToolRun unseeded = ToolRun.Of("sample", "--model", model, "--steps", "3", "--out", PathTo("d.png"));
        Assert.That(unseeded.Output, Does.Match("seed [0-9]+:").And.Not.Contain($"seed {seed}:"));
    }

    [Test]
    public void OneFileOfAFolderIsMadeAgainAlone()
    {
        string model = TinyModel();
        ToolRun.Of("sample", "--model", model, "--steps", "3", "--w", "0,2", "--count", "3", "--out", PathTo("images"));
        foreach (string name in new[] { "images/dog/w2_001.png", "images/7/w0_002.png" })
        {
            ToolRun again = ToolRun.Of("sample", "--like", PathTo(name), "--format", "png", "--out", PathTo("one"));
            Assert.That(again.ExitCode, Is.Zero, again.Error);
            string file = Directory.GetFiles(PathTo("one"), "*.png", SearchOption.AllDirectories).Single();
            Assert.That(File.ReadAllBytes(file), Is.EqualTo(File.ReadAllBytes(PathTo(name))), name);
            Directory.Delete(PathTo("one"), recursive: true);
        }
        ToolRun classify = ToolRun.Of("train", "--folder", PathTo("images"), "--steps", "1", "--batch", "2", "--sample-every", "0", "--out", PathTo("run"));
        Assert.That(classify.Error, Does.Contain("18 pictures in 3 classes: 7 6, cat 6, dog 6"));
    }

    [Test]
    public void AnotherModelIsNotedAndAStrangersPictureRefused()
    {
        string model = TinyModel();
        ToolRun.Of("sample", "--model", model, "--steps", "2", "--classes", "cat", "--out", PathTo("a.png"));
        File.AppendAllText(PathTo("other.png"), "");
        PngWriter.Write(PathTo("other.png"), new Image(1, 1, 1, [0]), [new PngText("parameters", "by another tool")]);
        ToolRun.Of("sample", "--like", PathTo("other.png"), "--out", PathTo("x.png")).AssertError(1, "does not say how it was made", "'parameters'");
        Assert.That(ToolRun.Of("info", PathTo("other.png")).Output, Does.Contain("by another tool"));
        byte[] file = File.ReadAllBytes(PathTo("a.png"));
        int at = Encoding.Latin1.GetString(file).IndexOf("\"model_hash\":\"", StringComparison.Ordinal) + 14;
        string hash = Encoding.Latin1.GetString(file, at, 64);
        var texts = PngText.Read(PathTo("a.png")).Select(t => t with { Text = t.Text.Replace(hash, new string('0', 64), StringComparison.Ordinal) }).ToArray();
        PngWriter.Write(PathTo("b.png"), PictureReader.Read(PathTo("a.png")), texts);
        ToolRun changed = ToolRun.Of("sample", "--like", PathTo("b.png"), "--out", PathTo("c.png"));
        Assert.That((changed.ExitCode, changed.Error.Contains("another model")), Is.EqualTo((0, true)), changed.Error);
    }

    [Test]
    public void PreviewAndAnimationLeaveTheImagesAsTheyAre()
    {
        string[] sample = ["sample", "--model", TinyModel(), "--steps", "4", "--seed", "5", "--w", "0,2", "--batch", "2"];
        ToolRun.Of([.. sample, "--out", PathTo("plain.png")]);
        ToolRun run = ToolRun.Of([.. sample, "--out", PathTo("watched.png"), "--preview", PathTo("now.png"), "--animation", PathTo("way.png")]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(PixelsOf("watched.png"), Is.EqualTo(PixelsOf("plain.png")));
            Assert.That(PixelsOf("now.png"), Is.EqualTo(PixelsOf("plain.png")), "the last preview is the result");
            Assert.That(PixelsOf("way.png"), Is.EqualTo(PixelsOf("plain.png")), "so is the last frame");
            Assert.That(Encoding.Latin1.GetString(File.ReadAllBytes(PathTo("way.png"))).Split("fcTL"), Has.Length.EqualTo(1 + 4 + 1));
        }
        ToolRun.Of([.. sample, "--out", PathTo("x.png"), "--animation", PathTo("way.gif")]).AssertError(2, "--animation", "PNG");
    }

    [Test]
    public void TheWayBetweenTwoSeedsOrClassesBeginsAndEndsAtThem()
    {
        string[] sample = ["sample", "--model", TinyModel(), "--steps", "3", "--w", "2"];
        byte[][] Rows(string name, params string[] options)
        {
            ToolRun run = ToolRun.Of([.. sample, .. options, "--out", PathTo(name)]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            var images = NativeDiffusion.Model.Data.NpzReader.ReadImages(PathTo(name), out _);
            return [.. Enumerable.Range(0, images.Count).Select(i => images.Row(i).ToArray())];
        }
        byte[] cat = Rows("a.npz", "--classes", "cat", "--seed", "1")[0], dog = Rows("b.npz", "--classes", "dog", "--seed", "1")[0], other = Rows("c.npz", "--classes", "cat", "--seed", "2")[0];
        byte[][] seeds = Rows("d.npz", "--classes", "cat", "--seed", "1", "--to-seed", "2", "--count", "5"), classes = Rows("e.npz", "--classes", "cat", "--seed", "1", "--to-class", "dog", "--count", "5");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Most(seeds[0], cat), Is.LessThanOrEqualTo(1));
            Assert.That(Most(seeds[4], other), Is.LessThanOrEqualTo(1));
            Assert.That(Most(classes[0], cat), Is.LessThanOrEqualTo(1));
            Assert.That(classes.Select(Convert.ToHexString).Concat(seeds.Skip(1).Select(Convert.ToHexString)), Is.Unique);
            // The noise of an image depends on its class, and the way keeps that of its beginning.
            Assert.That(Most(classes[4], dog), Is.GreaterThan(1));
        }
        ToolRun.Of([.. sample, "--to-seed", "2", "--out", PathTo("x.png")]).AssertError(2, "--to-seed", "--count");
        ToolRun.Of([.. sample, "--to-class", "cow", "--count", "3", "--out", PathTo("x.png")]).AssertError(2, "cow");
    }

    private static int Most(byte[] a, byte[] b) => a.Zip(b, (x, y) => Math.Abs(x - y)).Max();

    private byte[] PixelsOf(string name) => PictureReader.Read(PathTo(name)).Pixels.ToArray();
}
