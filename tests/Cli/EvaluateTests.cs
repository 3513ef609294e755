using NativeDiffusion.Cli;
using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Tests.Model.Clip;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

[TestFixture]
internal sealed class EvaluateTests : CliFixture
{
    [Test]
    public void Every_metric_is_reported_with_its_error_and_the_network_by_name()
    {
        string samples = Digits("samples.npz", 0, 60), reference = Digits("reference.npz", 60, 90);
        var run = ToolRun.Of("evaluate", samples, "--reference", reference, "--json", "--threads", "1", "--kid-subsets", "3");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        var json = run.Json;
        string[] keys = ["fid", "kid", "inception_score", "precision", "recall", "density", "coverage", "accuracy", "ece"];
        Assert.That(json.GetProperty("metrics").EnumerateObject().Select(p => p.Name), Is.EqualTo(keys));
        foreach (string key in keys) Assert.That(Metric(json, key, "standard_error"), Is.GreaterThanOrEqualTo(0), key);
        Assert.That(Metric(json, "fid", "floor"), Is.Positive);
        Assert.That(Metric(json, "accuracy", "value"), Is.GreaterThan(0.9));
        Assert.That(json.GetProperty("network").GetString(), Does.StartWith("digits-classifier"));
        Assert.That((json.GetProperty("sample_count").GetInt32(), json.GetProperty("reference_count").GetInt32()), Is.EqualTo((60, 90)));
        Assert.That(json.GetProperty("reliability").EnumerateArray().Sum(b => b.GetProperty("count").GetInt32()), Is.EqualTo(60));
        Assert.That(json.GetProperty("nearest").GetArrayLength(), Is.EqualTo(5));
        Assert.That(run.Error, Does.Contain("60 samples are too few for 128 features").And.Contain("90 pictures for 128"));
        var again = ToolRun.Of("evaluate", samples, "--reference", reference, "--json", "--threads", "2", "--kid-subsets", "3");
        Assert.That(again.Output, Is.EqualTo(run.Output), "threads change nothing");
    }

    [Test]
    public void Statistics_of_a_set_stand_for_it()
    {
        string samples = Digits("samples.npz", 0, 150), statistics = PathTo("statistics.npz");
        var saved = ToolRun.Of("evaluate", samples, "--metrics", "accuracy", "--save-statistics", statistics);
        Assert.That(saved.ExitCode, Is.Zero, saved.Error);
        Assert.That(saved.Output, Does.Contain("features: digits-classifier").And.Contain("± ").And.Contain(statistics));
        var same = ToolRun.Of("evaluate", samples, "--reference", statistics, "--metrics", "fid", "--json");
        Assert.That(Metric(same.Json, "fid", "value"), Is.EqualTo(0).Within(1e-6));
        ToolRun.Of("evaluate", samples, "--reference", statistics, "--metrics", "fid,pr,kid").AssertError(ExitCode.Usage, "kid, pr", "pictures of a reference");
        ToolRun.Of("evaluate", statistics, "--reference", samples).AssertError(ExitCode.Usage, "is statistics");
    }

    [Test]
    public void Features_of_different_networks_are_not_compared()
    {
        string published = PathTo("published.npz");
        NpzWriter.Write(published, [("mu", NpyArray.From(new double[128], 128)), ("sigma", NpyArray.From(new double[128 * 128], 128, 128))]);
        ToolRun.Of("evaluate", Digits("samples.npz", 0, 20), "--reference", published).AssertError(ExitCode.Usage, "unnamed network of 128 features", "digits-classifier");
    }

    [Test]
    public void Clip_and_residual_networks_see_features_and_are_never_compared_with_each_other()
    {
        string pictures = PathTo("rgb.npz"), clip = PathTo("clip.safetensors"), resnet = PathTo("resnet.safetensors"), statistics = PathTo("by-clip.npz");
        byte[] pixels = new byte[24 * 12 * 12 * 3];
        new Random(3).NextBytes(pixels);
        NpzWriter.Write(pictures, new ImageDataset(12, 12, 3, pixels, (int[])[.. Enumerable.Range(0, 24).Select(i => i % 2)], ["a", "b"]));
        TinyClip.Write(clip);
        using (var kernels = new CpuKernels(1))
        using (var classifier = new ResNetClassifier(new ResNetConfig { Layers = [1, 1], Width = 4, InChannels = 3, Classes = 2, Stem = ResNetStem.Cifar }, kernels, 2))
            classifier.Save(resnet);
        var byClip = ToolRun.Of("evaluate", pictures, "--network", clip, "--reference", pictures, "--metrics", "fid,pr", "--save-statistics", statistics, "--json", "--threads", "1");
        Assert.That(byClip.ExitCode, Is.Zero, byClip.Error);
        Assert.That(byClip.Json.GetProperty("network").GetString(), Does.Contain("CLIP").IgnoreCase);
        Assert.That(Metric(byClip.Json, "fid", "value"), Is.Zero.Within(1e-6), "a set and itself");
        Assert.That(Metric(byClip.Json, "precision", "value"), Is.EqualTo(1));
        var byResNet = ToolRun.Of("evaluate", pictures, "--network", resnet, "--reference", pictures, "--metrics", "fid,is,accuracy", "--json", "--threads", "1");
        Assert.That(byResNet.ExitCode, Is.Zero, byResNet.Error);
        Assert.That(byResNet.Json.GetProperty("network").GetString(), Does.Contain("resnet").IgnoreCase);
        Assert.That(Metric(byResNet.Json, "inception_score", "value"), Is.InRange(1, 2));
        ToolRun.Of("evaluate", pictures, "--network", resnet, "--reference", statistics, "--metrics", "fid").AssertError(ExitCode.Usage, "clip", "resnet");
        ToolRun.Of("evaluate", pictures, "--network", clip, "--metrics", "is").AssertError(ExitCode.Usage, "is", "clip");
    }

    [Test]
    public void A_model_is_sampled()
    {
        var run = ToolRun.Of("evaluate", TinyModel(), "--count", "7", "--steps", "2", "--w", "1", "--reference", Digits("reference.npz", 0, 30), "--json", "--threads", "1", "--kid-subsets", "2");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("sample_count").GetInt32(), Is.EqualTo(7));
        Assert.That(run.Json.GetProperty("samples").GetString(), Does.Contain("w = 1").And.Contain("2 steps"));
        Assert.That(run.Error, Does.Contain("8 x 8 x 1, the reference 28 x 28 x 1").And.Contain("'cat' of the samples is none of the classifier's"));
    }

    [Test]
    public void Pictures_come_from_folders_and_idx_files_too()
    {
        string folder = TinyData();
        var run = ToolRun.Of("evaluate", folder, "--metrics", "is", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("sample_count").GetInt32(), Is.EqualTo(6));
        byte[] images = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 1, 2, 3, 4];
        File.WriteAllBytes(PathTo("t-images-idx3-ubyte"), images);
        File.WriteAllBytes(PathTo("t-labels-idx1-ubyte"), [0, 0, 8, 1, 0, 0, 0, 2, 3, 4]);
        var idx = ToolRun.Of("evaluate", PathTo("t-images-idx3-ubyte"), "--metrics", "accuracy", "--json");
        Assert.That(idx.ExitCode, Is.Zero, idx.Error);
        Assert.That(idx.Json.GetProperty("warnings").EnumerateArray().Select(w => w.GetString()), Has.Some.Contain("1 of 2 samples have the same features"));
        PngWriter.Write(Path.Combine(folder, "left", "9.png"), new Image(9, 8, 1, new byte[72]));
        ToolRun.Of("evaluate", folder).AssertError(ExitCode.Failure, "9.png", "9 x 8", "8 x 8");
    }

    [Test]
    public void Wrong_use_is_explained()
    {
        string samples = Digits("samples.npz", 0, 20);
        ToolRun.Of("evaluate", samples, "--metrics", "fid").AssertError(ExitCode.Usage, "--metrics fid", "--reference");
        ToolRun.Of("evaluate", samples, "--metrics", "fud").AssertError(ExitCode.Usage, "fid, sfid, kid", "'fud'");
        ToolRun.Of("evaluate", samples, "--w", "2").AssertError(ExitCode.Usage, "--w", "is pictures");
        ToolRun.Of("evaluate", samples, "--reference", samples, "--metrics", "sfid").AssertError(ExitCode.Usage, "--metrics sfid", "digits-classifier");
        ToolRun.Of("evaluate", PathTo("none.npz")).AssertError(ExitCode.Failure, "none.npz");
        ToolRun.Of("evaluate", samples, "--save-statistics", "x.txt").AssertError(ExitCode.Usage, "x.txt");
        ToolRun.Of("evaluate", samples, "--network", samples).AssertError(ExitCode.Failure, "samples.npz");
    }

    private string Digits(string name, int start, int count)
    {
        NpzWriter.Write(PathTo(name), ShippedDigits.LoadTest().Subset(start, count));
        return PathTo(name);
    }

    private static double Metric(System.Text.Json.JsonElement json, string key, string part) => json.GetProperty("metrics").GetProperty(key).GetProperty(part).GetDouble();
}
