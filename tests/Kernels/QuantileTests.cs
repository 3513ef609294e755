using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

[TestFixture]
public sealed class QuantileTests
{
    [TestCase(new[] { 2f, -2f, 2f, 2f }, 0.3, 2f)]
    [TestCase(new[] { 1f, 2f, -3f, float.PositiveInfinity }, 2.0 / 3, 3f)]
    [TestCase(new[] { 1f, 2f, -3f, float.NegativeInfinity }, 1, float.PositiveInfinity)]
    [TestCase(new[] { float.PositiveInfinity, float.PositiveInfinity }, 0.5, float.PositiveInfinity)]
    [TestCase(new[] { 1f, float.NaN, 3f, 4f }, 0, float.NaN)]
    [TestCase(new[] { 0f, -0f, 1e-45f }, 1, 1f)]
    [TestCase(new[] { 5f, 5f, 5f, 7f }, 0.8, 5.8f)]
    public void Ties_and_what_is_not_finite(float[] values, double quantile, float expected)
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(1, values.Length));
        var limit = b.Output("limit", b.Quantile(x, quantile, double.PositiveInfinity));
        using var plan = b.Build();
        kernels.Upload(values, x.View);
        plan.Run();
        Assert.That(limit.View.Span[0], Is.EqualTo(expected).Within(1e-6f));
    }

    [Test]
    public void Numbers_out_of_range_and_gradients_are_refused()
    {
        using var kernels = new CpuKernels(1);
        var b = new PlanBuilder(kernels);
        var x = b.Input("x", new Shape(2, 3));
        Assert.That(() => b.Quantile(x, 1.1, 2), Throws.ArgumentException.With.Message.Contains("1.1"));
        Assert.That(() => b.Quantile(x, double.NaN, 2), Throws.ArgumentException.With.Message.Contains("NaN"));
        Assert.That(() => b.Quantile(x, 0.9, 0.5), Throws.ArgumentException.With.Message.Contains("0.5"));
        Assert.That(() => b.Quantile(x, 0.9, 2, x), Throws.ArgumentException);
        var limit = b.Quantile(x, 0.9, 2);
        Assert.That(() => b.Backward(limit, b.Input("dy", limit.Shape), parameters: false, x), Throws.InvalidOperationException.With.Message.Contains("Quantile"));
    }
}
