using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>What the blocks of transformers fuse equals its parts, to the bit where the parts round alike.</summary>
[TestFixture]
public sealed class FusedNormTests
{
    [Test]
    public void Modulated_normalisation_of_one_row_is_the_affine_one_by_one_plus_scale([Values(5, 48, 100)] int width)
    {
        using var kernels = new CpuKernels(2);
        float[] x = Values(1, 7 * width), scale = Values(2, width), shift = Values(3, width), dy = Values(4, 7 * width);
        var modulated = Run(kernels, width, true, x, scale, shift, dy);
        var affine = Run(kernels, width, false, x, [.. scale.Select(v => 1 + v)], shift, dy);
        for (int i = 0; i < modulated.Length; i++) Assert.That(modulated[i], Is.EqualTo(affine[i]), $"output or gradient {i}");
    }

    [Test]
    public void Gated_residual_is_the_sum_of_its_parts()
    {
        using var kernels = new CpuKernels(2);
        var b = new PlanBuilder(kernels);
        var shape = new Shape(2, 3, 21);
        Tensor x = b.Input("x", shape), gate = b.Input("gate", new Shape(2, 21)), h = b.Input("h", shape);
        var y = b.Output("y", b.GatedAdd(x, gate, h));
        using var plan = b.Build();
        kernels.Upload(Values(1, 126), x.View);
        kernels.Upload(Values(2, 42), gate.View);
        kernels.Upload(Values(3, 126), h.View);
        plan.Run();
        for (int i = 0; i < 126; i++)
        {
            double expected = x.View.Span[i] + (double)gate.View.Span[i / 63 * 21 + i % 21] * h.View.Span[i];
            Assert.That(y.View.Span[i], Is.EqualTo(expected).Within(1e-6));
        }
    }

    [Test]
    public void Images_come_back_from_their_patches([Values(1, 2, 4)] int patch)
    {
        using var kernels = new CpuKernels(2);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(2, 8, 4, 3));
        var y = b.Output("y", b.Unpatchify(b.Patchify(x, patch), patch, 8));
        using var plan = b.Build();
        float[] values = Values(1, (int)x.Count);
        kernels.Upload(values, x.View);
        plan.Run();
        Assert.That(y.Shape, Is.EqualTo(x.Shape));
        Assert.That(y.View.Span.ToArray(), Is.EqualTo(values));
    }

    private static float[][] Run(CpuKernels kernels, int width, bool modulated, float[] x, float[] scale, float[] shift, float[] dy)
    {
        var b = new PlanBuilder(kernels);
        var vectors = modulated ? new Shape(1, width) : new Shape(width);
        Tensor input = b.Input("x", new Shape(1, 7, width)), gamma = b.Input("gamma", vectors), beta = b.Input("beta", vectors);
        var y = b.Output("y", modulated ? b.ModulatedLayerNorm(input, gamma, beta, 1e-6) : b.LayerNorm(input, gamma, beta, 1e-6));
        var cotangent = b.Input("dy", y.Shape);
        b.Backward(y, cotangent, parameters: false, input, gamma, beta);
        Tensor[] results = [y, .. new[] { input, gamma, beta }.Select(t => b.Output("d_" + t.Name, b.GradientOf(t)))];
        using var plan = b.Build();
        kernels.Upload(x, input.View);
        kernels.Upload(scale, gamma.View);
        kernels.Upload(shift, beta.View);
        kernels.Upload(dy, cotangent.View);
        plan.Run();
        return [.. results.Select(r => r.View.Span.ToArray())];
    }

    private static float[] Values(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => 2 * random.NextSingle() - 1)];
    }
}
