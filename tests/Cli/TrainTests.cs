using System.Text.Json;
using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
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
            Assert.That(Directory.GetFiles(PathTo("parts"), "samples-*.png").Select(Path.GetFileName).Order(), Is.EqualTo(new[] { "samples-000004.png", "samples-000005.png" }), "and of the last step");
            Assert.That(PictureReader.Read(PathTo("parts/samples-000004.png")).Width, Is.GreaterThan(32));
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
    public void WithoutHiddenLabelsThereIsNoNullClassToBeGuidedBy()
    {
        string model = TrainTiny("--null-probability", "0", "--sample-every", "1"), arrays = PathTo("x.npz");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(PictureReader.Read(PathTo("run/samples-000002.png")).Width, Is.LessThan(100), "one strength, not four");
            var info = ToolRun.Of("info", model, "--json").Json;
            Assert.That(info.GetProperty("diffusion").GetProperty("null_class").GetBoolean(), Is.False);
            Assert.That(info.GetProperty("guidance").GetString(), Does.StartWith("none").And.Contain("no null class"));
            ToolRun.Of("sample", "--model", model, "--steps", "2", "--w", "0,2", "--out", arrays).AssertError(2, "no null class", "--w 0");
            ToolRun.Of("sample", "--model", model, "--steps", "2", "--scale", "0", "--out", arrays).AssertError(2, "no null class");
            foreach (string[] allowed in new string[][] { [], ["--w", "0"], ["--scale", "1"] })
                Assert.That(ToolRun.Of(["sample", "--model", model, "--steps", "2", "--out", arrays, .. allowed]), Has.Property("ExitCode").Zero, string.Join(' ', allowed));
            Assert.That(NpzReader.Read(arrays).Keys, Is.EquivalentTo(new[] { "arr_0", "arr_1" }));
        }
    }

    [Test]
    public void WithAllLabelsHiddenThereAreNoClassesToAskFor()
    {
        string model = TrainTiny("--null-probability", "1", "--sample-every", "1"), arrays = PathTo("x.npz");
        using (Assert.EnterMultipleScope())
        {
            var info = ToolRun.Of("info", model, "--json").Json;
            Assert.That(info.GetProperty("guidance").GetString(), Does.Contain("null probability 1"));
            Assert.That(info.GetProperty("never_trained").GetString(), Is.EqualTo("every class"));
            ToolRun.Of("sample", "--model", model, "--steps", "2", "--classes", "left", "--out", arrays).AssertError(2, "null probability 1", "--classes");
            ToolRun.Of("sample", "--model", model, "--steps", "2", "--w", "2", "--out", arrays).AssertError(2, "null probability 1", "--w");
            Assert.That(ToolRun.Of("sample", "--model", model, "--steps", "2", "--count", "3", "--out", arrays), Has.Property("ExitCode").Zero);
            Assert.That(NpzReader.Read(arrays).Keys, Is.EqualTo(new[] { "arr_0" }), "there are no labels to write");
        }
    }

    [Test]
    public void AClassWithoutImagesIsNotDrawn()
    {
        byte[] pixels = [.. Enumerable.Range(0, 4 * 64).Select(p => (byte)p)];
        Write("images", [0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0, 8, .. pixels]);
        Write("labels", [0, 0, 8, 1, 0, 0, 0, 4, 0, 2, 0, 2]);
        ToolRun train = ToolRun.Of("train", "--images", PathTo("images"), "--labels", PathTo("labels"), "--steps", "2", "--batch", "2", "--sample-every", "1", "--out", PathTo("run"));
        Assert.That(train.ExitCode, Is.Zero, train.Error);
        string model = PathTo("run/model.safetensors");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(ToolRun.Of("info", model, "--json").Json.GetProperty("never_trained").GetString(), Does.StartWith("1"));
            ToolRun.Of("sample", "--model", model, "--steps", "2", "--classes", "0,1", "--out", PathTo("x.npz")).AssertError(2, "'1' was never trained", "0, 2");
            ToolRun all = ToolRun.Of("sample", "--model", model, "--steps", "2", "--classes", "all", "--out", PathTo("x.npz"), "--json");
            Assert.That(all.Json.GetProperty("classes").EnumerateArray().Select(c => c.GetString()), Is.EqualTo(new[] { "0", "2" }));
        }

        void Write(string name, byte[] bytes) => File.WriteAllBytes(PathTo(name), bytes);
    }

    [Test]
    public void TheWeightingFollowsThePrediction()
    {
        foreach (var (prediction, weighting) in new[] { ("eps", "simple"), ("x0", "uniform_x0"), ("v", "uniform_v") })
        {
            TrainTiny("--prediction", prediction, "--force");
            using var settings = JsonDocument.Parse(File.ReadAllText(PathTo("run/settings.json")));
            Assert.That(settings.RootElement.GetProperty("training").GetProperty("weighting").GetString(), Is.EqualTo(weighting).Or.EqualTo(weighting.Replace('_', '-')));
        }
        string[] unbounded = ["train", "--folder", TinyData(), "--steps", "1", "--batch", "2", "--prediction", "eps", "--weighting", "uniform-v", "--sample-every", "0", "--out", PathTo("forced")];
        ToolRun.Of(unbounded).AssertError(2, "--weighting uniform-v grows without bound with --prediction eps and --schedule cosine", "4.1e+8", "99.8%", "simple", "--allow-unbounded-weighting");
        Assert.That(ToolRun.Of([.. unbounded, "--allow-unbounded-weighting"]), Has.Property("ExitCode").Zero);
        ToolRun.Of("train", "--prediction", "x0", "--weighting", "simple", "--out", PathTo("x")).AssertError(2, "--weighting simple", "--prediction x0", "uniform-x0");
    }

    [Test]
    public void CtrlCSavesAndSaysHowToGoOn()
    {
        string data = TinyData();
        // The pictures are packed by then: a cancelled packing starts no training.
        Assert.That(ToolRun.Of(new CancellationToken(canceled: true), "train", "--folder", data, "--out", PathTo("run")), Has.Property("ExitCode").EqualTo(130));
        Assert.That(Directory.GetFiles(PathTo("run")), Is.Empty);
        ToolRun.Of("train", "--folder", data, "--steps", "1", "--batch", "2", "--sample-every", "0", "--out", PathTo("other"));
        ToolRun run = ToolRun.Of(new CancellationToken(canceled: true), "train", "--folder", data, "--steps", "50", "--batch", "2", "--out", PathTo("run"));
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

    /// <summary>Two steps on the tiny images, in the folder run; the path of the model.</summary>
    private string TrainTiny(params string[] options)
    {
        ToolRun run = ToolRun.Of(["train", "--folder", TinyData(), "--steps", "2", "--batch", "2", "--out", PathTo("run"), .. options]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return PathTo("run/model.safetensors");
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

    [Test]
    public void PhotographsOfAnySizeAndKindAreTrainedOnAndWhatIsNotIsTold()
    {
        foreach (string name in new[] { "rgb420.jpg", "exif6.jpg", "lossy.webp", "alpha.png", "cut_rgb420.jpg" }) CopyPicture(name, $"photos/{(name[0] == 'l' ? "b" : "a")}/{name}");
        File.WriteAllText(PathTo("photos/notes.txt"), "x");
        string[] train = ["train", "--folder", PathTo("photos"), "--size", "16", "--flip", "--crop", "random", "--steps", "2", "--batch", "2", "--sample-every", "0"];
        ToolRun.Of([.. train, "--out", PathTo("run")]).AssertError(1, "cut_rgb420.jpg", "a JPEG that is truncated");
        ToolRun run = ToolRun.Of([.. train, "--skip-bad", "--out", PathTo("run")]);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            Assert.That(run.Error, Does.Contain("4 pictures in 2 classes: a 3, b 1").And.Contain("16 x 16 x 3").And.Contain("notes.txt: it lies beside the folders of the classes").Or.Contain("notes.txt: it is no picture but a text file"));
            Assert.That(run.Error.Split("a JPEG that is truncated"), Has.Length.EqualTo(3), "before and after the training");
            Assert.That(ToolRun.Of("info", PathTo("run/model.safetensors"), "--json").Json.GetProperty("config").GetProperty("image_size").GetInt32(), Is.EqualTo(16));
        }
        ToolRun more = ToolRun.Of("train", "--resume", "--out", PathTo("run"));
        Assert.That((more.ExitCode, more.Error.Contains("taken from")), Is.EqualTo((0, true)), more.Error);
        ToolRun.Of([.. train[..3], "--crop", "random", "--out", PathTo("x")]).AssertError(2, "--crop", "--size");
        ToolRun.Of("train", "--skip-bad", "--out", PathTo("x")).AssertError(2, "--skip-bad", "--folder");
    }

    [Test]
    public void PicturesWithoutClassesTrainAnUnconditionalModel()
    {
        CopyPicture("rgb420.jpg", "flat/1.jpg");
        CopyPicture("rgb.png", "flat/2.png");
        ToolRun run = ToolRun.Of("train", "--folder", PathTo("flat"), "--size", "8", "--steps", "1", "--batch", "2", "--sample-every", "1", "--out", PathTo("run"));
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("2 pictures without classes"));
        ToolRun sample = ToolRun.Of("sample", "--model", PathTo("run/model.safetensors"), "--steps", "2", "--count", "2", "--out", PathTo("images"));
        Assert.That(sample.ExitCode, Is.Zero, sample.Error);
        Assert.That(Directory.GetFiles(PathTo("images"), "*.png"), Has.Length.EqualTo(2));
        ToolRun.Of("train", "--preset", "tutorial", "--folder", PathTo("flat"), "--size", "8", "--out", PathTo("x")).AssertError(1, "classes");
    }

    [Test]
    public void ClassesOfIdxFilesHaveNames()
    {
        File.WriteAllBytes(PathTo("images"), [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0, 8, .. new byte[128]]);
        File.WriteAllBytes(PathTo("labels"), [0, 0, 8, 1, 0, 0, 0, 2, 0, 1]);
        string[] train = ["train", "--images", PathTo("images"), "--labels", PathTo("labels"), "--steps", "1", "--batch", "1", "--sample-every", "0", "--out", PathTo("run")];
        Assert.That(ToolRun.Of([.. train, "--class-names", "shirt, shoe"]), Has.Property("ExitCode").Zero);
        Assert.That(ToolRun.Of("info", PathTo("run/model.safetensors")).Output, Does.Contain("shirt").And.Contain("shoe"));
        ToolRun.Of([.. train, "--force", "--class-names", "shirt"]).AssertError(1, "labels up to 1", "give 2");
        ToolRun.Of([.. train, "--force", "--class-names", "a,a"]).AssertError(2, "different names");
    }

    [Test]
    public void TheNetworkIsChosenByPresetsOptionsAndSettings()
    {
        CopyPicture("rgb.png", "photos/a/1.png");
        CopyPicture("rgb.png", "photos/b/1.png");
        JsonElement Network(params string[] options)
        {
            ToolRun run = ToolRun.Of(["train", "--folder", PathTo("photos"), "--batch", "1", "--estimate", "--json", .. options]);
            Assert.That(run.ExitCode, Is.Zero, run.Error);
            return run.Json.GetProperty("network");
        }
        File.WriteAllText(PathTo("net.json"), """{"network":{"model_channels":32,"channel_mult":[1],"num_res_blocks":1,"attention_resolutions":[],"image_size":512}}""");
        JsonElement photos = Network("--size", "32", "--channels", "32", "--blocks", "1", "--channel-mult", "1,2", "--attention", "0", "--conditioning", "add"), file = Network("--size", "8", "--network", PathTo("net.json"), "--blocks", "2");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(photos.GetProperty("channel_mult").GetArrayLength(), Is.EqualTo(2));
            Assert.That(photos.GetProperty("use_scale_shift_norm").GetBoolean(), Is.False);
            Assert.That((photos.GetProperty("image_size").GetInt32(), photos.GetProperty("num_classes").GetInt32(), photos.GetProperty("attention_resolutions").GetArrayLength()), Is.EqualTo((32, 3, 0)));
            Assert.That((file.GetProperty("image_size").GetInt32(), file.GetProperty("model_channels").GetInt32(), file.GetProperty("num_res_blocks").GetInt32()), Is.EqualTo((8, 32, 2)));
            Assert.That(Directory.Exists(PathTo("packs")), Is.False, "nothing is decoded to estimate");
        }
        string[] train = ["train", "--folder", PathTo("photos"), "--out", PathTo("x")];
        File.WriteAllText(PathTo("net.json"), """{"chanels":32}""");
        ToolRun.Of([.. train, "--size", "8", "--network", PathTo("net.json")]).AssertError(1, "'chanels'", "model_channels");
        ToolRun.Of([.. train, "--size", "8", "--channels", "33"]).AssertError(1, "multiple", "33");
        ToolRun.Of([.. train, "--size", "8", "--preset", "edm", "--channels", "32"]).AssertError(2, "--preset edm", "--channels");
        ToolRun.Of([.. train, "--estimate"]).AssertError(2, "--size");
    }

    private void CopyPicture(string name, string to)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(PathTo(to))!);
        File.Copy(Tests.Pictures.PictureFiles.PathOf(name), PathTo(to));
    }
}
