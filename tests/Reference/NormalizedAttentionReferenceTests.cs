using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Reference;

/// <summary>Normalised attention guidance against what the published implementation made of the same attention outputs.</summary>
[TestFixture]
[Category("Reference")]
public sealed class NormalizedAttentionReferenceTests
{
    private static IEnumerable<ReferenceCase> Cases => ReferenceCase.OfKind(ReferenceKinds.NormalizedAttention);

    [TestCaseSource(nameof(Cases))]
    public void Guided_tokens_agree(ReferenceCase reference)
    {
        float[] positive = reference.Read("in.positive"), negative = reference.Read("in.negative");
        long[] shape;
        using (var file = SafetensorsFile.Open(reference.Path)) shape = file.Find("in.positive").Shape;
        int variant = 0;
        foreach (var settings in reference.Config.GetProperty("variants").EnumerateArray())
        {
            double Number(string name) => settings.GetProperty(name).GetDouble();
            float[] got = Guide(positive, negative, new Shape((int)shape[0], (int)shape[1], (int)shape[2]), Number("nag_scale"), Number("nag_tau"), Number("nag_alpha"));
            ReferenceCase.AssertClose(got, reference.Read($"out.{variant}"), 1e-5, $"variant {variant}");
            variant++;
        }
        Assert.That(variant, Is.GreaterThan(0));
    }

    [Test]
    public void Tokens_without_length_stay_and_a_scale_of_one_guides_nothing()
    {
        float[] p = [0, 0, 1, 2, 3, 4], q = [1, 2, 1.25f, 2.5f, 1, 1];
        // Of the second token 5 p - 4 q is zero.
        float[] got = Guide(p, q, new Shape(1, 3, 2), 5, 2.5, 0.25);
        Assert.That(got[..4], Is.EqualTo(p[..4]));
        Assert.That(got[4..], Is.Not.EqualTo(p[4..]));
        Assert.That(Guide(p, q, new Shape(1, 3, 2), 1, 2.5, 0.25), Is.EqualTo(p));
    }

    [Test]
    public void Wrong_use_says_the_value()
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels, new Parameters(kernels));
        Tensor x = b.Input("x", new Shape(1, 2, 3)), other = b.Input("other", new Shape(1, 3, 2));
        Assert.That(() => b.NormalizedAttention(x, other, 2), Throws.ArgumentException.With.Message.Contains("other"));
        Assert.That(() => b.NormalizedAttention(x, x, double.NaN), Throws.ArgumentException.With.Message.Contains("NaN"));
        Assert.That(() => b.NormalizedAttention(x, x, 2, tau: 0), Throws.ArgumentException.With.Message.Contains("tau"));
        Assert.That(() => b.NormalizedAttention(x, x, 2, alpha: 1.5), Throws.ArgumentException.With.Message.Contains("1.5"));
    }

    private static float[] Guide(float[] positive, float[] negative, Shape shape, double scale, double tau, double alpha)
    {
        using var kernels = new CpuKernels(1);
        using var parameters = new Parameters(kernels);
        var b = new PlanBuilder(kernels, parameters);
        Tensor p = b.Input("p", shape), q = b.Input("q", shape);
        var y = b.Output("y", b.NormalizedAttention(p, q, scale, tau, alpha));
        using var plan = b.Build();
        kernels.Upload(positive, p.View);
        kernels.Upload(negative, q.View);
        plan.Run();
        return y.View.Span.ToArray();
    }
}
