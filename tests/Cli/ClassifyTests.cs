using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Cli;

/// <summary><c>classify</c> with every kind of classifier that <c>info</c> recognises.</summary>
[TestFixture]
internal sealed class ClassifyTests : CliFixture
{
    [Test]
    public void A_residual_network_of_this_tool_keeps_its_classes_names()
    {
        string model = PathTo("own.safetensors"), images = PathTo("images.npz");
        using var kernels = new CpuKernels(1);
        using (var own = new ResNetClassifier(new ResNetConfig { Layers = [1, 1], Width = 4, InChannels = 3, Classes = 2, Stem = ResNetStem.Cifar }, kernels, 5, ["cat", "dog"])) own.Save(model);
        var data = Noise(8);
        NpzWriter.Write(images, data);
        using var loaded = ResNetClassifier.Load(model, kernels);
        Assert.That(loaded.ClassNames, Is.EqualTo(new[] { "cat", "dog" }));
        var expected = loaded.Classify(data);
        ToolRun run = ToolRun.Of("classify", images, "--model", model, "--per-image", "--json", "--threads", "1");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("per_image").EnumerateArray().Select(i => i.GetProperty("class").GetString()), Is.EqualTo(expected.Labels.Select(l => l == 0 ? "cat" : "dog")));
    }

    [Test]
    public void A_published_residual_network_sees_images_as_it_was_trained_to()
    {
        string model = PathTo("published.safetensors"), images = PathTo("images.npz");
        using var kernels = new CpuKernels(1);
        var config = new ResNetConfig { Layers = [1, 1, 1], Width = 4, InChannels = 3, Classes = 3, Stem = ResNetStem.Cifar };
        using (var other = new ResNetClassifier(config, kernels, 6)) other.Save(PathTo("own.safetensors"));
        using (var own = CheckpointFile.Open(PathTo("own.safetensors")))
            SafetensorsWriter.Write(model, [.. own.Tensors.Select(t => TensorEntry.Of(t.Name, t.Shape, own.ReadFloat(t.Name).AsMemory()))], new Dictionary<string, string>());
        var data = Noise(8);
        NpzWriter.Write(images, data);
        using var normalised = ResNetClassifier.Load(model, kernels, new ResNetGuideOptions { Normalisation = ResNetGuideOptions.Cifar });
        using var plain = ResNetClassifier.Load(model, kernels);
        var expected = normalised.Classify(data);
        Assert.That(expected.Probabilities, Is.Not.EqualTo(plain.Classify(data).Probabilities));
        ToolRun run = ToolRun.Of("classify", images, "--model", model, "--per-image", "--json", "--threads", "1");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("per_image").EnumerateArray().Select(i => i.GetProperty("probability").GetDouble()),
            Is.EqualTo(Enumerable.Range(0, data.Count).Select(i => Math.Round((double)expected.Confidence(i), 4))).Within(1e-9));
    }

    [Test]
    public void Photographs_of_any_size_are_brought_to_one()
    {
        string model = PathTo("own.safetensors"), folder = Directory.CreateDirectory(PathTo("photos")).FullName, file = Path.Combine(folder, "b.png");
        using (var kernels = new CpuKernels(1))
        using (var own = new ResNetClassifier(new ResNetConfig { Layers = [1, 1], Width = 4, InChannels = 3, Classes = 2, Stem = ResNetStem.Cifar }, kernels, 5, ["cat", "dog"])) own.Save(model);
        PngWriter.Write(Path.Combine(folder, "a.png"), new Image(9, 12, 3, new byte[9 * 12 * 3]));
        PngWriter.Write(file, new Image(20, 8, 3, new byte[20 * 8 * 3]));
        ToolRun.Of("classify", folder, "--model", model).AssertError(1, "must have one size", "giving a size");
        ToolRun run = ToolRun.Of("classify", folder, "--model", model, "--size", "8", "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("images").GetInt32(), Is.EqualTo(2));
        Assert.That(ToolRun.Of("classify", file, "--model", model, "--size", "8", "--per-image").Output, Does.StartWith("b.png\t"));
        NpzWriter.Write(PathTo("images.npz"), Noise(8));
        ToolRun.Of("classify", PathTo("images.npz"), "--model", model, "--size", "8").AssertError(2, "--size is for pictures in files");
        ToolRun.Of("train-classifier", "--size", "8").AssertError(2, "--size", "--folder");
        run = ToolRun.Of("evaluate", folder, "--size", "8", "--network", model, "--metrics", "nearest", "--reference", folder, "--json");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Json.GetProperty("samples").GetString(), Does.EndWith("at 8 x 8"));
    }

    [Test]
    public void What_is_no_classifier_is_called_by_its_name()
    {
        NpzWriter.Write(PathTo("images.npz"), Noise(8));
        ToolRun.Of("classify", PathTo("images.npz"), "--model", TinyModel()).AssertError(1, "tiny.safetensors", "where a ResNet classifier is needed");
        PngWriter.Write(PathTo("picture.png"), new Image(8, 8, 1, new byte[64]));
        ToolRun.Of("classify", PathTo("images.npz"), "--model", PathTo("picture.png")).AssertError(1, "is a PNG picture, not weights");
    }

    private static ImageDataset Noise(int size)
    {
        byte[] pixels = new byte[6 * size * size * 3];
        new Random(2).NextBytes(pixels);
        return new ImageDataset(size, size, 3, pixels, new int[6], ["cat"]);
    }
}
