using NativeDiffusion.Kernels;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Kernels;

/// <summary>What the op suite cannot see: which of several equal elements a maximum's gradient goes to.</summary>
[TestFixture]
public sealed class MaxPool3x3Tests
{
    [Test]
    public void The_first_of_equal_elements_gets_the_gradient([Values(1, 17)] int channels)
    {
        using IKernels kernels = new CpuKernels(2);
        Shape image = new(1, 4, 5, channels), pooled = new(1, 2, 3, channels);
        using var memory = kernels.Allocate(2 * image.Count + 3 * pooled.Count);
        TensorView x = new(memory, 0, image), dx = new(memory, image.Count, image), y = new(memory, 2 * image.Count, pooled);
        TensorView taps = new(memory, 2 * image.Count + pooled.Count, pooled), dy = new(memory, 2 * (image.Count + pooled.Count), pooled);
        x.Span.Fill(3);
        for (int i = 0; i < dy.Count; i++) dy.Span[i] = 1 + i / channels;

        kernels.MaxPool3x3Forward(x, 2, 1, y, taps);
        kernels.MaxPool3x3Backward(dy, taps, 2, 1, dx, accumulate: false);

        // Windows begin at rows and columns -1, 1, 3; the first of each inside the image is at 0, 1 and 3.
        float[] expected = [1, 2, 0, 3, 0, 4, 5, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        Assert.That(y.Span.ToArray(), Is.All.EqualTo(3));
        for (int c = 0; c < channels; c++)
            Assert.That(Enumerable.Range(0, 20).Select(p => dx.Span[p * channels + c]), Is.EqualTo(expected), $"channel {c}");
    }
}
