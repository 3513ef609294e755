using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NativeDiffusion.Tests.Model.Published;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>sample</c> and <c>info</c> with a tiny untrained model.</summary>
internal sealed class SampleTests : CliFixture
{
    [Test]
    public void GridHasOneRowPerClassAndOneColumnPerStrength()
    {
        ToolRun run = ToolRun.Of("sample", "--model", TinyModel(), "--steps", "2", "--out", PathTo("grid.png"), "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Image five = PictureReader.Read(PathTo("grid.png"));
        ToolRun.Of("sample", "--model", PathTo("tiny.safetensors"), "--steps", "2", "--w", "0,2", "--classes", "cat", "--out", PathTo("small.png"));
        Image two = PictureReader.Read(PathTo("small.png"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.Json.GetProperty("images").GetInt32(), Is.EqualTo(15));
            Assert.That(run.Json.GetProperty("strengths").EnumerateArray().Select(s => s.GetDouble()), Is.EqualTo(new[] { 0, 0.5, 1, 2, 4 }));
            Assert.That(run.Json.GetProperty("format").GetString(), Is.EqualTo("grid"));
            Assert.That(five.Width, Is.GreaterThan(2 * two.Width).And.LessThan(3 * two.Width));
            Assert.That(five.Height, Is.GreaterThan(2 * two.Height).And.LessThan(3 * two.Height));
        }
    }

    [TestCase("1", "16")]
    [TestCase("2", "4")]
    [TestCase("2", "1")]
    public void SameBytesForAnyThreadsAndBatch(string threads, string batch)
    {
        string model = TinyModel();
        string[] common = ["sample", "--model", model, "--steps", "3", "--w", "0,1.5", "--count", "2", "--seed", "9", "--sampler", "ddim", "--eta", "0.5"];
        ToolRun.Of([.. common, "--threads", "1", "--batch", "7", "--out", PathTo("a.npz")]);
        ToolRun.Of([.. common, "--threads", threads, "--batch", batch, "--out", PathTo("b.npz")]);
        Assert.That(File.ReadAllBytes(PathTo("b.npz")), Is.EqualTo(File.ReadAllBytes(PathTo("a.npz"))));
    }

    [Test]
    public void ArraysHoldImagesAndLabelsInOrderAndDependOnClassStrengthAndSeed()
    {
        string model = TinyModel();
        ToolRun run = ToolRun.Of("sample", "--model", model, "--classes", "7,0", "--w", "0,4", "--steps", "3", "--count", "2", "--seed", "0", "--out", PathTo("a.npz"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        ImageDataset images = NpzReader.ReadImages(PathTo("a.npz"), out bool labelled);
        ToolRun.Of("sample", "--model", model, "--classes", "0", "--scale", "5", "--steps", "3", "--count", "1", "--seed", "0", "--out", PathTo("b.npz"));
        ToolRun.Of("sample", "--model", model, "--classes", "0", "--scale", "5", "--steps", "3", "--count", "1", "--seed", "1", "--out", PathTo("c.npz"));
        byte[] Row(string file) => NpzReader.ReadImages(PathTo(file), out _).Row(0).ToArray();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(labelled);
            Assert.That((images.Height, images.Width, images.Channels), Is.EqualTo((8, 8, 1)));
            Assert.That(images.Labels.ToArray(), Is.EqualTo(new[] { 2, 2, 2, 2, 0, 0, 0, 0 }));
            byte[][] rows = [.. Enumerable.Range(0, 8).Select(i => images.Row(i).ToArray())];
            Assert.That(rows.Select(Convert.ToHexString).Distinct().Count(), Is.EqualTo(8), "class, strength and number must all show");
            Assert.That(Row("b.npz"), Is.EqualTo(rows[6]), "scale 5 is strength 4, and other classes do not matter");
            Assert.That(Row("c.npz"), Is.Not.EqualTo(rows[6]));
        }
    }

    [Test]
    public void FolderGetsOneFilePerImage()
    {
        ToolRun.Of("sample", "--model", TinyModel(), "--classes", "dog", "--w", "2,0.5", "--count", "2", "--steps", "2", "--out", PathTo("images"));
        string[] names = [.. Directory.GetFiles(PathTo("images"), "*", SearchOption.AllDirectories).Select(file => Path.GetRelativePath(PathTo("images"), file)).Order(StringComparer.Ordinal)];
        Assert.That(names, Is.EqualTo(new[] { "dog/w0.5_000.png", "dog/w0.5_001.png", "dog/w2_000.png", "dog/w2_001.png", "guidance.json" }));
        Assert.That(PictureReader.Read(PathTo("images/dog/w2_000.png")), Has.Property("Width").EqualTo(8).And.Property("Height").EqualTo(8));
        Assert.That(PictureFolder.Open(PathTo("images")).ClassNames, Is.EqualTo(new[] { "dog" }));
    }

    [TestCase("dpm++2m", "karras")]
    [TestCase("ddim", "section")]
    [TestCase("ddpm", "section")]
    [TestCase("alg2", "uniform-u")]
    [TestCase("euler", "log-snr")]
    [TestCase("euler", "polyexponential")]
    [TestCase("euler", "vp")]
    [TestCase("euler-a", "sigmoid")]
    [TestCase("heun", "karras")]
    [TestCase("unipc", "linspace")]
    [TestCase("dpm++2m-sde", "trailing")]
    [TestCase("dpm++3m-sde", "leading")]
    [TestCase("dpm++sde", "karras")]
    [TestCase("dpm++2s-a", "log-snr")]
    [TestCase("dpm2", "karras")]
    [TestCase("dpm2-a", "karras")]
    [TestCase("lms", "karras")]
    public void EverySamplerAndSpacingRuns(string sampler, string spacing)
    {
        ToolRun run = ToolRun.Of("sample", "--model", TinyModel(), "--classes", "0", "--sampler", sampler, "--spacing", spacing, "--steps", "4", "--out", PathTo("x.npz"));
        Assert.That(run, Has.Property("ExitCode").Zero.And.Property("Output").Contain("1 images").Or.Property("Output").Contain("images"), run.Error);
    }

    [TestCase("sigmoid", 250)]
    [TestCase("uniform-u", 1000)]
    [TestCase("karras", 3)]
    public void TheResultNamesWhatTheOptionsTakeAndTheStepsThatRan(string spacing, int steps)
    {
        ToolRun run = ToolRun.Of("sample", "--model", TinyModel(), "--classes", "0", "--w", "0", "--sampler", "dpm++2m", "--spacing", spacing, "--steps", $"{steps}", "--out", PathTo("x.npz"), "--json");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Json.GetProperty("sampler").GetString(), Is.EqualTo("dpm++2m"));
            Assert.That(run.Json.GetProperty("spacing").GetString(), Is.EqualTo(spacing));
            Assert.That(run.Json.GetProperty("steps").GetInt32(), Is.EqualTo(steps));
            Assert.That(run.Json.GetProperty("passes").GetInt32(), Is.EqualTo(steps));
        }
    }

    [Test]
    public void ImpossibleCombinationsSayWhatToChoose()
    {
        string model = TinyModel();
        ToolRun.Of("sample", "--model", model, "--sampler", "heun", "--spacing", "uniform", "--steps", "20", "--out", PathTo("x.png")).AssertError(1, "karras");
        ToolRun.Of("sample", "--model", model, "--steps", "1001", "--out", PathTo("x.png")).AssertError(1, "1000");
        ToolRun.Of("sample", "--model", model, "--sampler", "ddpm", "--spacing", "karras", "--out", PathTo("x.png")).AssertError(1, "section");
        ToolRun.Of("sample", "--model", model, "--sampler", "ddpm", "--variance", "learned", "--out", PathTo("x.png")).AssertError(1, "learns its variance");
        ToolRun.Of("sample", "--model", model, "--zero-terminal-snr", "--spacing", "trailing", "--out", PathTo("x.png")).AssertError(1, "pure noise", "predicts v or x0");
        ToolRun.Of("sample", "--model", model, "--sampler", "ddim", "--steps-offset", "1", "--out", PathTo("x.png")).AssertError(1, "leading");
        ToolRun.Of("sample", "--model", model, "--sampler", "dpm2", "--spacing", "uniform", "--steps", "3", "--out", PathTo("x.png")).AssertError(1, "karras");
    }

    [Test]
    public void AnOffsetOfStepsChangesTheImages()
    {
        float[] Sample(string offset)
        {
            ToolRun run = ToolRun.Of("sample", "--model", TinyModel(), "--classes", "0", "--sampler", "ddim", "--spacing", "leading", "--steps-offset", offset, "--steps", "12", "--seed", "0", "--out", PathTo("x.png"));
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            return [.. File.ReadAllBytes(PathTo("x.png")).Select(b => (float)b)];
        }

        Assert.That(Sample("0"), Is.Not.EqualTo(Sample("30")));
    }

    [Test]
    public void InterruptedSamplingWritesNothing()
    {
        ToolRun run = ToolRun.Of(new CancellationToken(canceled: true), "sample", "--model", TinyModel(), "--out", PathTo("x.png"));
        Assert.That(run, Has.Property("ExitCode").EqualTo(130));
        Assert.That(File.Exists(PathTo("x.png")), Is.False);
    }

    [Test]
    public void GuessesOfAPublishedNetworkAreToldAndCanBeSet()
    {
        string path = PathTo("adm.safetensors");
        PublishedFixture.Write(path, PublishedFixture.Adm);
        string[] sample = ["sample", "--model", path, "--steps", "2", "--out", PathTo("x.npz"), "--image-size", "16", "--attention-order", "legacy", "--prediction", "eps"];
        ToolRun guessed = ToolRun.Of(sample);
        Assert.That(guessed.Error, Does.Contain("note: ").And.Contain("num_heads 4 (--heads)").And.Contain("noise_schedule linear (--schedule)"));
        ToolRun said = ToolRun.Of([.. sample, "--heads", "2", "--schedule", "cosine", "--diffusion-steps", "4000", "--rescale-timesteps", "no"]);
        Assert.That((said.ExitCode, said.Error.Contains("note: ")), Is.EqualTo((0, false)), said.Error);
        ToolRun info = ToolRun.Of("info", path);
        Assert.That(info.Output, Does.Contain("diffusion.schedule").And.Contain("diffusion.timesteps").And.Contain("assumed.num_heads").And.Contain("a guess").And.Contain("--heads says otherwise"));
        ToolRun.Of([.. sample, "--null-class", "yes"]).AssertError(1, "without classes");
        ToolRun.Of("sample", "--model", TinyModel(), "--heads", "2", "--out", PathTo("x.npz")).AssertError(1, "says all of its network");
    }

    [Test]
    public void PublishedModelsWithoutANullClassFollowTheirClassesAndNoMore()
    {
        string dit = PathTo("dit.safetensors"), adm = PathTo("adm.safetensors"), plain = PathTo("plain.safetensors"), arrays = PathTo("x.npz");
        PublishedFixture.Write(dit, PublishedFixture.Dit with { NumClasses = 11, ClassDropoutProb = 0 }, new Dictionary<string, string> { ["args"] = """{"class_dropout_prob":0}""" });
        PublishedFixture.Write(adm, PublishedFixture.Adm with { NumClasses = 3 });
        PublishedFixture.Write(plain, PublishedFixture.Adm);
        string[] Sample(string model, params string[] options) => ["sample", "--model", model, "--sampler", "ddim", "--steps", "2", "--out", arrays, .. options];
        using (Assert.EnterMultipleScope())
        {
            foreach (string model in new[] { dit, adm })
                Assert.That(ToolRun.Of("info", model, "--json").Json.GetProperty("guidance").GetString(), Is.EqualTo("none: The model has no null class."));
            Assert.That(ToolRun.Of("info", plain, "--json").Json.GetProperty("guidance").GetString(), Does.Contain("unconditional"));
            ToolRun.Of(Sample(dit, "--scale", "4")).AssertError(2, "no null class", "--w 0");
            ToolRun.Of(Sample(adm, "--classes", "1", "--w", "2")).AssertError(2, "no null class", "--w 0");
            ToolRun.Of(Sample(plain, "--w", "2")).AssertError(2, "unconditional");
            ToolRun.Of(Sample(plain, "--classes", "1")).AssertError(2, "unconditional", "--classes");
            Assert.That(ToolRun.Of(Sample(adm, "--classes", "1", "--w", "0")), Has.Property("ExitCode").Zero);
            Assert.That(NpzReader.Read(arrays).Keys, Is.EquivalentTo(new[] { "arr_0", "arr_1" }));
            Assert.That(ToolRun.Of(Sample(plain, "--count", "2")), Has.Property("ExitCode").Zero);
            Assert.That(NpzReader.Read(arrays).Keys, Is.EqualTo(new[] { "arr_0" }), "no class is invented");
        }
    }

    [Test]
    public void InfoKnowsMetadataOfOthersFromOurs()
    {
        string path = PathTo("other.safetensors");
        PublishedFixture.Write(path, PublishedFixture.Adm with { InChannels = 6, OutChannels = 3 }, new Dictionary<string, string> { ["format"] = "pt", ["architecture"] = "unet", ["state"] = "x" });
        ToolRun info = ToolRun.Of("info", path);
        Assert.That(info.Output, Does.Contain("upsampler").And.Contain("file.architecture").And.Contain("adm_unet"), info.Error);
        ToolRun.Of("sample", "--model", path, "--out", PathTo("x.png")).AssertError(1, "upsampler", "small picture");
    }

    [Test]
    public void InfoDescribesAModel()
    {
        string model = TinyModel();
        ToolRun text = ToolRun.Of("info", model, "--tensors", "--plan", "2"), json = ToolRun.Of("info", model, "--tensors", "--json");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(text.Output, Does.Contain("diffusion model").And.Contain("config.model_channels").And.Contain("label_emb.weight").And.Contain("Conv2dForward"));
            Assert.That(json.Json.GetProperty("kind").GetString(), Is.EqualTo("diffusion model"));
            Assert.That(json.Json.GetProperty("config").GetProperty("image_size").GetInt32(), Is.EqualTo(8));
            Assert.That(json.Json.GetProperty("diffusion").GetProperty("class_names")[1].GetString(), Is.EqualTo("dog"));
            var tensors = json.Json.GetProperty("tensors").EnumerateArray().ToArray();
            Assert.That(tensors, Has.Length.EqualTo(json.Json.GetProperty("tensor_count").GetInt32()));
            long elements = tensors.Sum(t => t.GetProperty("shape").EnumerateArray().Aggregate(1L, (n, e) => n * e.GetInt64()));
            Assert.That(json.Json.GetProperty("parameters").GetInt64(), Is.EqualTo(elements));
        }
    }
}
