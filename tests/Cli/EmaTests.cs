using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>train --power-ema</c> and <c>ema</c>; the other presets of <c>train</c>.</summary>
internal sealed class EmaTests : CliFixture
{
    [Test]
    public void AveragesOfATrainingMakeOneOfAnotherWidth()
    {
        ToolRun.Of("train", "--preset", "tutorial", "--folder", TinyData(), "--steps", "6", "--batch", "2", "--save-every", "2", "--sample-every", "0",
            "--power-ema", "0.05,0.1", "--timestep-sampling", "loss-second-moment", "--flip", "--shift", "1", "--out", PathTo("run"));
        Assert.That(Directory.GetFiles(PathTo("run/averages")), Has.Length.EqualTo(6));
        ToolRun made = ToolRun.Of("ema", PathTo("run"), "--std", "0.08", "--out", PathTo("wide.safetensors"), "--json");
        Assert.That(made.ExitCode, Is.Zero, made.Error);
        Assert.That(made.Json.GetProperty("images").GetInt64(), Is.EqualTo(12));
        Assert.That(ToolRun.Of("sample", "--model", PathTo("wide.safetensors"), "--count", "1", "--steps", "2", "--out", PathTo("x.png")), Has.Property("ExitCode").Zero);
        ToolRun earlier = ToolRun.Of("ema", PathTo("run"), "--std", "0.08", "--at", "4", "--out", PathTo("earlier.safetensors"));
        Assert.That(earlier.Output, Does.Contain("8 images"));
        ToolRun.Of("ema", PathTo("run"), "--std", "0.08", "--at", "9", "--out", PathTo("late.safetensors")).AssertError(1, "12 images", "18");
        ToolRun.Of("ema", PathTo("data"), "--std", "0.08", "--out", PathTo("none.safetensors")).AssertError(1, "--power-ema");
        ToolRun.Of("ema", PathTo("run"), "--out", PathTo("none.safetensors")).AssertError(2, "--std");
    }

    [Test]
    public void EdmsPresetTrainsWithANullClassOfZeros()
    {
        ToolRun run = ToolRun.Of("train", "--preset", "edm", "--folder", TinyData(), "--steps", "2", "--batch", "2", "--sample-every", "2", "--out", PathTo("edm"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        using var file = SafetensorsFile.Open(PathTo("edm/model.safetensors"));
        Assert.That(file.Metadata["architecture"], Is.EqualTo("edm_dhariwal"));
        Assert.That(file.Find("map_label.weight").Shape[1], Is.EqualTo(2), "two classes, and none for null");
        Assert.That(File.Exists(PathTo("edm/samples-000002.png")));
    }

    [Test]
    public void OptionsThatDoNotFitAPresetAreNamed()
    {
        ToolRun.Of("train", "--preset", "edm", "--prediction", "v").AssertError(2, "--prediction", "edm");
        ToolRun.Of("train", "--preset", "edm", "--weighting", "p2").AssertError(2, "--weighting p2");
        ToolRun.Of("train", "--preset", "tutorial", "--dropout", "0.1").AssertError(2, "--dropout", "tutorial");
        ToolRun.Of("train", "--tanh-head").AssertError(2, "--tanh-head");
        ToolRun.Of("train", "--ema", "0.9", "--ema-half-life", "100").AssertError(2, "--ema-half-life");
    }
}
