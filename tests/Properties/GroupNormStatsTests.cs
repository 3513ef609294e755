using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Properties;

[TestFixture]
public sealed class GroupNormStatsTests
{
    [TestCase(1e4, 1.0, 0.0, 1e-6, TestName = "Mean far above the deviation")]
    [TestCase(-300.0, 0.01, 0.0, 1e-6, TestName = "Negative mean, small deviation")]
    [TestCase(5.0, 1e-3, 4e3, 3e-5, TestName = "One position far from the others, where a band takes its origin")]
    [TestCase(0.0, 1.0, 0.0, 1e-6, TestName = "No mean")]
    public void Deviation_is_accurate_whatever_the_mean(double center, double deviation, double outlier, double tolerance)
    {
        const int Height = 40, Width = 37, Channels = 24, Groups = 6;
        var random = new Random(3);
        const int Count = Height * Width * Channels;
        float[] data = [.. Enumerable.Range(0, Count).Select(_ => (float)(center + deviation * (random.NextDouble() - 0.5)))];
        // Bands of that shape have 256 positions; the kernel takes its origin at this one and three others.
        if (outlier != 0) Array.Fill(data, (float)outlier, 96 * Channels, Channels);

        using IKernels kernels = new CpuKernels(2);
        using var memory = kernels.Allocate(data.Length + 2 * Groups);
        var x = new TensorView(memory, 0, new Shape(1, Height, Width, Channels));
        var mean = new TensorView(memory, data.Length, new Shape(1, Groups));
        var rstd = new TensorView(memory, data.Length + Groups, new Shape(1, Groups));
        kernels.Upload(data, x);
        kernels.GroupNormStats(x, Groups, 0, mean, rstd);

        for (int g = 0; g < Groups; g++)
        {
            double[] members = [.. data.Where((_, i) => i % Channels / (Channels / Groups) == g).Select(v => (double)v)];
            double average = members.Average(), variance = members.Average(v => (v - average) * (v - average));
            Assert.That(mean.Span[g], Is.EqualTo(average).Within(1e-6 * (Math.Abs(average) + Math.Sqrt(variance))), $"mean of group {g}");
            Assert.That(rstd.Span[g], Is.EqualTo(1 / Math.Sqrt(variance)).Within(tolerance / Math.Sqrt(variance)), $"rstd of group {g}");
        }
    }

    [Test]
    public void Equal_elements_give_one_over_the_root_of_epsilon()
    {
        using IKernels kernels = new CpuKernels(1);
        using var memory = kernels.Allocate(64 * 8 + 4);
        var x = new TensorView(memory, 0, new Shape(1, 8, 8, 8));
        var mean = new TensorView(memory, 512, new Shape(1, 2));
        var rstd = new TensorView(memory, 514, new Shape(1, 2));
        kernels.Fill(x, 0.1f);
        kernels.GroupNormStats(x, 2, 1e-5, mean, rstd);
        Assert.That(mean.Span.ToArray(), Is.All.EqualTo(0.1f));
        Assert.That(rstd.Span.ToArray(), Is.All.EqualTo(316.2277f).Within(1e-3f));
    }
}
