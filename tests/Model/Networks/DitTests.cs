using NativeDiffusion.Kernels;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Networks;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Networks;

[TestFixture]
public sealed class DitTests
{
    private static readonly DitConfig Tiny = new()
    {
        InputSize = 6, PatchSize = 2, InChannels = 3, HiddenSize = 24, Depth = 2, NumHeads = 3, NumClasses = 4, MlpRatio = 2, LearnSigma = false,
    };

    [TestCase("DiT-S/2", 32, 32_963_360)]
    [TestCase("DiT-B/2", 32, 130_512_416)]
    [TestCase("DiT-L/2", 32, 458_102_816)]
    [TestCase("DiT-XL/2", 32, 675_129_632)]
    [TestCase("DiT-S/4", 32, 32_963_360 - 192 * 384 + 48 * 384 + 385 * 96)]
    [TestCase("DiT-XL/8", 64, 675_129_632 - 192 * 1152 + 240 * 1152 + 1153 * 480)]
    public void Published_sizes_have_their_parameters_and_shapes_tell_the_size(string name, int inputSize, long count)
    {
        var config = DitConfig.Preset(name, inputSize);
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        new Dit(config).Declare(parameters);
        Assert.That(parameters.Count, Is.EqualTo(count));
        var shapes = parameters.Items.ToDictionary(p => p.Name, p => p.PublishedShape.Select(e => (long)e).ToArray());
        Assert.That(DitConfig.Infer(shapes), Is.EqualTo(config));
        shapes.Remove("pos_embed");
        Assert.That(DitConfig.Infer(shapes), Is.Null, "not of this family");
    }

    [TestCase("DiT-M/2")]
    [TestCase("DiT-S/3")]
    [TestCase("S/2")]
    public void Unknown_sizes_are_refused(string name) =>
        Assert.That(() => DitConfig.Preset(name), Throws.ArgumentException.With.Message.Contains(name));

    [Test]
    public void A_new_network_predicts_zero_whatever_the_class()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = NewParameters(kernels, random: false);
        Assert.That(Predict(kernels, parameters, [0, 4], 2), Has.All.Zero);
    }

    [Test]
    public void A_row_does_not_depend_on_the_others()
    {
        using var kernels = new CpuKernels(2);
        using var parameters = NewParameters(kernels, random: true);
        float[] both = Predict(kernels, parameters, [1, 4], 2), alone = Predict(kernels, parameters, [1], 1);
        Assert.That(both[..alone.Length], Is.EqualTo(alone));
        Assert.That(alone, Has.Some.Not.Zero);
    }

    [Test]
    public void Places_are_the_columns_sines_then_its_cosines_then_those_of_the_row()
    {
        // Token 5 of a grid of 3 lies in row 1, column 2.
        double[] got = [.. Enumerable.Range(0, 8).Select(c => Dit.Position(3, 8, 5, c))];
        Assert.That(got, Is.EqualTo((double[])[Math.Sin(2), Math.Sin(0.02), Math.Cos(2), Math.Cos(0.02), Math.Sin(1), Math.Sin(0.01), Math.Cos(1), Math.Cos(0.01)]).Within(1e-12));
    }

    [Test]
    public void Wrong_latents_are_refused_with_their_shape()
    {
        using var kernels = new CpuKernels(1);
        using var parameters = NewParameters(kernels, random: false);
        var b = new PlanBuilder(kernels, parameters);
        Assert.That(() => new Dit(Tiny).Record(b, b.Input("x", new Shape(1, 8, 8, 3)), b.Input("t", new Shape(1)), b.Input("y", new Shape(1))),
            Throws.ArgumentException.With.Message.Contains("[N,6,6,3]").And.Message.Contains("H=8"));
        Assert.That(() => (Tiny with { PatchSize = 4 }).Validate(), Throws.ArgumentException.With.Message.Contains("patch_size (4)"));
        Assert.That(() => (Tiny with { NumHeads = 5 }).Validate(), Throws.ArgumentException.With.Message.Contains("num_heads"));
    }

    private static Parameters NewParameters(CpuKernels kernels, bool random)
    {
        var parameters = new Parameters(kernels);
        new Dit(Tiny).Declare(parameters);
        WeightInitialization.Apply(parameters, kernels, 1);
        if (!random) return parameters;
        var values = parameters.Values.Span;
        for (int i = 0; i < values.Length; i++) values[i] = (float)(0.3 * Philox.Normal(7, 0, 0, RandomStream.Weights, (uint)i));
        return parameters;
    }

    private static float[] Predict(CpuKernels kernels, Parameters parameters, int[] labels, int rows)
    {
        var b = new PlanBuilder(kernels, parameters);
        Tensor x = b.Input("x", new Shape(rows, 6, 6, 3)), t = b.Input("t", new Shape(rows)), y = b.Input("y", new Shape(rows));
        var output = b.Output("out", new Dit(Tiny).Record(b, x, t, y));
        using var plan = b.Build();
        float[] pixels = [.. Enumerable.Range(0, (int)x.Count).Select(i => (float)Philox.Normal(3, 0, 0, RandomStream.Weights, (uint)i))];
        kernels.Upload(pixels, x.View);
        kernels.Upload([.. Enumerable.Range(0, rows).Select(r => 100f * (r + 1))], t.View);
        kernels.Upload(labels, y.View);
        plan.Run();
        return output.View.Span.ToArray();
    }
}
