using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Onnx;
using NativeDiffusion.Onnx.Format;
using NativeDiffusion.Onnx.Graphs;
using NativeDiffusion.Runtime;
using NativeDiffusion.Tests.Cli;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Onnx;

/// <summary>ONNX files where other classifiers go: as guides, in classify, info and evaluate.</summary>
internal sealed class OnnxClassifierTests : CliFixture
{
    [Test]
    public void Logits_are_those_before_the_softmax_and_see_the_images_as_said()
    {
        string path = Written(3, 8, 5);
        using var kernels = new CpuKernels(1);
        using var classifier = OnnxClassifier.Load(path, kernels, new() { Normalisation = [(0.5, 0.25)], Bgr = true });
        Assert.That(classifier.Classes, Is.EqualTo(5));
        float[] image = [.. Enumerable.Range(0, 8 * 8 * 3).Select(i => MathF.Sin(i))];
        double[] planes = new double[image.Length];
        for (int i = 0; i < image.Length; i++) planes[(2 - i % 3) * 64 + i / 3] = ((image[i] + 1) / 2 - 0.5) / 0.25;
        var graph = OnnxGraph.Load(path);
        double[] expected = new NodeOracle(graph).Run(planes, [1, 3, 8, 8])[graph.Nodes[^1].Inputs[0]].Data;
        Assert.That(Logits(classifier, image, 8), Is.EqualTo(expected).Within(1e-5));
    }

    [Test]
    public void Every_relu_becomes_a_softplus()
    {
        string path = Written(1, 8, 4);
        using var kernels = new CpuKernels(1);
        using OnnxClassifier plain = OnnxClassifier.Load(path, kernels), sharp = OnnxClassifier.Load(path, kernels, new() { SoftplusBeta = 1e5 }), smooth = OnnxClassifier.Load(path, kernels, new() { SoftplusBeta = 1 });
        float[] image = [.. Enumerable.Range(0, 64).Select(i => MathF.Cos(i))];
        Assert.That(Logits(sharp, image, 8), Is.EqualTo(Logits(plain, image, 8)).Within(1e-3));
        Assert.That(Logits(smooth, image, 8), Is.Not.EqualTo(Logits(plain, image, 8)).Within(1e-2));
    }

    [Test]
    public void Quantised_and_half_precision_weights_are_read()
    {
        var file = new OnnxFile(13, 0, 1, 4, 4);
        file.Add("q", [2, 16], OnnxType.Int8, [.. Enumerable.Range(0, 32).Select(i => unchecked((byte)(sbyte)(i - 16)))]);
        string w = file.Node("DequantizeLinear", ["q", file.Weight("scale", [2], [0.1f, 0.2f]), file.Add("zero", [2], OnnxType.Int8, [1, 2])], ("axis", 0));
        byte[] half = new byte[4];
        BitConverter.TryWriteBytes(half, (Half)0.5);
        string bias = file.Node("Cast", [file.Add("half", [2], OnnxType.Float16, half)], ("to", 1));
        file.Node("Gemm", [file.Node("Flatten", ["x"]), w, bias], ("transB", 1));
        string path = PathTo("quantised.onnx");
        file.Save(path);
        using var kernels = new CpuKernels(1);
        using var classifier = OnnxClassifier.Load(path, kernels);
        float[] image = [.. Enumerable.Range(0, 16).Select(i => i / 8f - 1)];
        double[] expected = [.. Enumerable.Range(0, 2).Select(o => Enumerable.Range(0, 16).Sum(k => (o * 16 + k - 16 - (o + 1)) * (o + 1) * 0.1 * image[k]) + (o == 0 ? 0.5 : 0))];
        Assert.That(Logits(classifier, image, 4), Is.EqualTo(expected).Within(1e-5));
    }

    [Test]
    public void The_tool_guides_classifies_describes_and_compares_by_it()
    {
        string model = TinyModel(), classifier = Written(1, 8, 3), pictures = PathTo("x.npz");
        foreach (string guider in new[] { "elucd", "classifier", "universal" })
        {
            ToolRun run = ToolRun.Of("sample", "--model", model, "--classes", "1", "--sampler", "ddpm", "--steps", "2", "--seed", "0", "--out", pictures, "--guider", guider, "--classifier", classifier, "--normalize", "0.5:0.5");
            Assert.That(run.ExitCode, Is.Zero, run.Error);
        }
        File.WriteAllLines(PathTo("names.txt"), ["cat", "dog", "owl"]);
        ToolRun classified = ToolRun.Of("classify", pictures, "--model", classifier, "--class-names", PathTo("names.txt"), "--json");
        Assert.That(classified.ExitCode, Is.Zero, classified.Error);
        Assert.That(classified.Json.GetProperty("classes").EnumerateArray().Select(c => c.GetProperty("class").GetString()), Is.EqualTo(new[] { "cat", "dog", "owl" }));
        ToolRun described = ToolRun.Of("info", classifier);
        Assert.That(described.ExitCode, Is.Zero, described.Error);
        Assert.That(described.Output, Does.Contain("2 Conv").And.Contain("opset").And.Contain("none"));
        NpzWriter.Write(PathTo("set.npz"), new ImageDataset(8, 8, 1, Enumerable.Range(0, 12 * 64).Select(i => (byte)(i * 37)).ToArray(), new int[12], ["one"]));
        ToolRun compared = ToolRun.Of("evaluate", PathTo("set.npz"), "--reference", PathTo("set.npz"), "--features", classifier, "--metrics", "fid", "--json");
        Assert.That(compared.ExitCode, Is.Zero, compared.Error);
        Assert.That(compared.Json.GetProperty("features").GetInt32(), Is.EqualTo(3));
    }

    [Test]
    public void What_does_not_go_is_said()
    {
        string model = TinyModel(), grey = Written(1, 8, 3);
        NpzWriter.Write(PathTo("set.npz"), new ImageDataset(8, 8, 3, new byte[2 * 192], new int[2], ["one"]));
        ToolRun.Of("classify", PathTo("set.npz"), "--model", grey).AssertError(1, "1 channels");
        ToolRun.Of("classify", PathTo("set.npz"), "--bgr").AssertError(2, "--bgr", "ONNX");
        ToolRun.Of("classify", PathTo("set.npz"), "--model", grey, "--onnx-output", "nowhere").AssertError(1, "'nowhere'", "its outputs are");
        File.WriteAllText(PathTo("text.onnx"), "no model at all");
        ToolRun.Of("info", PathTo("text.onnx")).AssertError(1, "text.onnx", "no ONNX file");
        ToolRun.Of("sample", "--model", model, "--classes", "1", "--guider", "elucd", "--classifier", PathTo("text.onnx"), "--sampler", "ddpm", "--steps", "2", "--out", PathTo("y.npz")).AssertError(1, "text.onnx");
    }

    private string Written(int channels, int size, int classes)
    {
        string path = PathTo("classifier.onnx");
        OnnxFile.Classifier(channels, size, classes).Save(path);
        return path;
    }

    private static float[] Logits(OnnxClassifier classifier, float[] image, int size)
    {
        var kernels = classifier.Parameters.Kernels;
        var b = new PlanBuilder(kernels, classifier.Parameters);
        var x = b.Input("x", new Shape(1, size, size, classifier.Channels));
        var y = b.Output("y", classifier.RecordLogits(b, x, x));
        using var plan = b.Build();
        kernels.Upload(image, x.View);
        plan.Run();
        float[] logits = new float[y.Count];
        kernels.Download(plan.Output("y"), logits);
        return logits;
    }
}
