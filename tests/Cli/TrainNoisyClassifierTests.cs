using NativeDiffusion.Model.Data;
using NativeDiffusion.Tests.Model.Published;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>train-classifier --noisy</c>, and what the other commands make of its file.</summary>
internal sealed class TrainNoisyClassifierTests : CliFixture
{
    [TestCase("attention")]
    [TestCase("mean")]
    public void OneCommandTrainsAClassifierThatGuides(string pool)
    {
        string model = TinyModel(), noisy = PathTo("noisy.safetensors");
        ToolRun run = ToolRun.Of([.. Train(model, noisy), "--pool", pool, "--json"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("classes").GetInt32(), Is.EqualTo(2));
        Assert.That(run.Json.GetProperty("last_epoch_loss").GetDouble(), Is.InRange(0, 0.65));
        Assert.That(run.Error, Does.Contain("epoch 20 of 20"));
        Assert.That(File.ReadAllText(PathTo("noisy.svg")), Does.Contain("<svg"));

        ToolRun info = ToolRun.Of("info", noisy);
        Assert.That(info.Output, Does.Contain("classifier of noisy images").And.Contain("cosine").And.Contain("left"));
        ToolRun classify = ToolRun.Of("classify", TinyData(), "--model", noisy, "--json");
        Assert.That(classify.ExitCode, Is.Zero, classify.Error);
        Assert.That(classify.Json.GetProperty("correct").GetInt32(), Is.EqualTo(6));

        string[] sample = ["sample", "--model", model, "--classes", "cat", "--steps", "3", "--out", PathTo("x.npz"), "--guider", "classifier", "--classifier", noisy];
        ToolRun guided = ToolRun.Of([.. sample, "--target", "1"]);
        Assert.That(guided.ExitCode, Is.Zero, guided.Error);
        ToolRun.Of(sample).AssertError(1, "2 classes", "3");
        ToolRun.Of([.. sample[..^4], "--guider", "elucd", "--sampler", "ddpm", "--classifier", noisy]).AssertError(1, "classifier of noisy images", "--guider classifier");
        ToolRun.Of("sample", "--model", noisy, "--out", PathTo("x.png")).AssertError(1, "adm_classifier", "not a diffusion model");
    }

    [Test]
    public void AccuracyIsSaidByNoiseLevel()
    {
        string model = TinyModel();
        var images = new ImageDataset(8, 8, 1, new byte[8 * 8 * 8], new int[8], ["0", "1"]);
        string pictures = PathTo("images.idx"), labels = PathTo("labels.idx");
        File.WriteAllBytes(pictures, [0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8, .. images.Pixels.Span]);
        File.WriteAllBytes(labels, [0, 0, 8, 1, 0, 0, 0, 8, 0, 1, 0, 1, 0, 1, 0, 1]);
        string[] test = ["--test-images", pictures, "--test-labels", labels];
        ToolRun run = ToolRun.Of([.. Train(model, PathTo("n.safetensors"), "1"), .. test, "--json"]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var levels = run.Json.GetProperty("accuracy_by_noise").EnumerateArray().ToArray();
        Assert.That(levels[0].GetProperty("sigma").GetDouble(), Is.Zero);
        Assert.That(levels[^1].GetProperty("timestep").GetDouble(), Is.InRange(900, 999));
        Assert.That(levels.Select(l => l.GetProperty("timestep").GetDouble()), Is.Ordered);
        Assert.That(run.Json.GetProperty("test_accuracy").GetDouble(), Is.EqualTo(levels[0].GetProperty("accuracy").GetDouble()));
        Assert.That(ToolRun.Of([.. Train(model, PathTo("n.safetensors"), "1"), .. test]).Output, Does.Contain("of 8 test images recognised at sigma 0.25"));
    }

    [Test]
    public void APublishedModelSaysItsNoise()
    {
        string plain = PathTo("plain.safetensors");
        PublishedFixture.Write(plain, PublishedFixture.Adm);
        string[] train = ["train-classifier", "--noisy", "--folder", TinyData(), "--out", PathTo("n.safetensors"), "--model", plain];
        ToolRun.Of(train).AssertError(2, "8x8 of 1 channels", "of 3");
        ToolRun.Of([.. train, "--schedule", "linear"]).AssertError(2, "8x8 of 1 channels");
    }

    [Test]
    public void WrongOptionsAreOneClearLine()
    {
        string model = TinyModel(), data = TinyData();
        void Refuse(int code, string[] options, params string[] texts) =>
            ToolRun.Of(["train-classifier", "--folder", data, "--out", PathTo("n.safetensors"), .. options]).AssertError(code, texts);
        Refuse(2, ["--noisy"], "--model FILE");
        Refuse(2, ["--pool", "mean"], "--pool", "--noisy");
        Refuse(2, ["--model", model], "--model", "--noisy");
        Refuse(1, ["--noisy", "--model", PathTo("none.safetensors")], "none.safetensors");
        Refuse(1, ["--noisy", "--model", model, "--levels", "7"], "8", "halved");
        Refuse(2, ["--noisy", "--model", model, "--schedule", "linear"], "nothing can be added");
    }

    private string[] Train(string model, string path, string epochs = "20") =>
    [
        "train-classifier", "--noisy", "--model", model, "--folder", TinyData(), "--out", path, "--epochs", epochs, "--batch", "6", "--lr", "0.005", "--width", "8", "--levels", "2",
        "--threads", "1",
    ];
}
