using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>train</c> on six tiny images.</summary>
internal sealed class TrainTests : CliFixture
{
    [Test]
    public void StoppedAndResumedEqualsUninterrupted()
    {
        string data = TinyData();
        string[] training = ["train", "--folder", data, "--steps", "5", "--batch", "2", "--seed", "3", "--sample-every", "0", "--dropout", "0.1"];
        ToolRun whole = ToolRun.Of([.. training, "--out", PathTo("whole"), "--threads", "2"]);
        ToolRun first = ToolRun.Of([.. training, "--out", PathTo("parts"), "--threads", "1", "--stop-after", "2"]);
        ToolRun rest = ToolRun.Of("train", "--resume", "--out", PathTo("parts"), "--threads", "1", "--sample-every", "4", "--json");
        using (Assert.EnterMultipleScope())
        {
            Assert.That((whole.ExitCode, first.ExitCode, rest.ExitCode), Is.EqualTo((0, 0, 0)), whole.Error + first.Error + rest.Error);
            Assert.That(first.Output, Does.Contain("step 2 of 5").And.Contain("--resume"));
            Assert.That(rest.Json.GetProperty("step").GetInt64(), Is.EqualTo(5));
            Assert.That(rest.Json.GetProperty("done").GetBoolean());
            foreach (string file in new[] { "checkpoint.safetensors", "model.safetensors", "loss.svg", "settings.json" })
                Assert.That(File.ReadAllBytes(PathTo($"parts/{file}")), Is.EqualTo(File.ReadAllBytes(PathTo($"whole/{file}"))), file);
            string[] Losses(string run) => [.. File.ReadAllLines(PathTo($"{run}/log.csv")).Select(row => row[..row.LastIndexOf(',')])];
            Assert.That(Losses("parts"), Is.EqualTo(Losses("whole")).And.Length.EqualTo(6));
            Assert.That(PngReader.Read(PathTo("parts/samples-000004.png")).Width, Is.GreaterThan(32));
            Assert.That(Directory.GetFiles(PathTo("whole"), "samples-*.png"), Is.Empty);
        }
        Assert.That(ToolRun.Of("sample", "--model", PathTo("parts/model.safetensors"), "--classes", "left", "--steps", "2", "--out", PathTo("x.png")), Has.Property("ExitCode").Zero);
    }

    [Test]
    public void ATrainingThatDiesGoesOnFromItsLastCheckpointToTheSameBits()
    {
        string[] training = ["train", "--folder", TinyData(), "--steps", "7", "--batch", "2", "--sample-every", "0", "--save-every", "3", "--threads", "1"];
        ToolRun whole = ToolRun.Of([.. training, "--out", PathTo("whole")]);
        // The device is lost when step 5 is done and the steps since the third are not saved.
        using var output = new StringWriter();
        using var error = new LosingWriter("step 5/");
        int code = CliApplication.Run([.. training, "--out", PathTo("died"), "--stop-after", "5"], output, error);
        new ToolRun(code, output.ToString(), error.ToString()).AssertError(
            1, "error: the device is lost. The training is saved at step 3 of 7", "train --resume --out " + PathTo("died"));
        using (var file = SafetensorsFile.Open(PathTo("died/checkpoint.safetensors")))
            Assert.That(file.Metadata["state"], Does.Contain("3"));
        ToolRun rest = ToolRun.Of("train", "--resume", "--out", PathTo("died"), "--threads", "1", "--sample-every", "0");
        Assert.That((whole.ExitCode, rest.ExitCode), Is.EqualTo((0, 0)), whole.Error + rest.Error);
        foreach (string file in new[] { "checkpoint.safetensors", "model.safetensors", "loss.svg" })
            Assert.That(File.ReadAllBytes(PathTo($"died/{file}")), Is.EqualTo(File.ReadAllBytes(PathTo($"whole/{file}"))), file);
        Assert.That(File.ReadAllLines(PathTo("died/log.csv")), Has.Length.EqualTo(8));
    }

    [Test]
    public void CtrlCSavesAndSaysHowToGoOn()
    {
        ToolRun run = ToolRun.Of(new CancellationToken(canceled: true), "train", "--folder", TinyData(), "--steps", "50", "--batch", "2", "--out", PathTo("run"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.EqualTo(130), run.Error);
            Assert.That(run.Output, Does.Contain("train --resume --out " + PathTo("run")));
            Assert.That(File.Exists(PathTo("run/checkpoint.safetensors")));
        }
    }

    [Test]
    public void ARunIsNotOverwrittenUnlessForced()
    {
        string[] training = ["train", "--folder", TinyData(), "--steps", "1", "--batch", "1", "--out", PathTo("run"), "--sample-every", "1"];
        Assert.That(ToolRun.Of(training), Has.Property("ExitCode").Zero);
        byte[] before = File.ReadAllBytes(PathTo("run/checkpoint.safetensors"));
        ToolRun.Of([.. training, "--seed", "1"]).AssertError(1, "already holds a training", "--resume", "--force");
        Assert.That(File.ReadAllBytes(PathTo("run/checkpoint.safetensors")), Is.EqualTo(before));
        Assert.That(ToolRun.Of([.. training, "--seed", "1", "--force"]), Has.Property("ExitCode").Zero);
        Assert.That(File.ReadAllBytes(PathTo("run/checkpoint.safetensors")), Is.Not.EqualTo(before));
    }

    [Test]
    public void ResumingNeedsTheRunAndItsData()
    {
        ToolRun.Of("train", "--resume", "--out", PathTo("none")).AssertError(1, "no training to resume");
        string data = TinyData();
        ToolRun.Of("train", "--folder", data, "--steps", "9", "--batch", "1", "--stop-after", "1", "--out", PathTo("run"), "--sample-every", "0");
        byte[] before = File.ReadAllBytes(PathTo("run/checkpoint.safetensors"));
        PngWriter.Write(PathTo("data/left/0.png"), new Image(8, 8, 1, new byte[64]));
        ToolRun.Of("train", "--resume", "--out", PathTo("run")).AssertError(1, "checkpoint.safetensors", "other images");
        File.WriteAllText(PathTo("run/settings.json"), "{}");
        ToolRun.Of("train", "--resume", "--out", PathTo("run")).AssertError(1, "settings.json", "--folder");
        File.WriteAllBytes(PathTo("run/checkpoint.safetensors"), before[..1000]);
        ToolRun.Of("train", "--resume", "--folder", data, "--out", PathTo("run")).AssertError(1, "checkpoint.safetensors");
    }

    [Test]
    public void ImagesOfTwoSizesAreRefused()
    {
        string data = TinyData();
        PngWriter.Write(PathTo("data/left/9.png"), new Image(4, 4, 1, new byte[16]));
        ToolRun.Of("train", "--folder", data, "--out", PathTo("run")).AssertError(1, "9.png", "4 x 4");
        Assert.That(File.Exists(PathTo("run/checkpoint.safetensors")), Is.False);
    }

    /// <summary>Throws as a lost device does, once, when a text is written.</summary>
    private sealed class LosingWriter(string when) : StringWriter
    {
        private bool _lost;

        public override void WriteLine(string? value)
        {
            if (!_lost && value!.StartsWith(when, StringComparison.Ordinal))
            {
                _lost = true;
                throw new DeviceLostException("the device is lost.");
            }
            base.WriteLine(value);
        }
    }
}
