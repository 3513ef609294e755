using NativeDiffusion.Kernels;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Metrics;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Classifiers;

public sealed class SampleQualityTests
{
    // Odd sizes reach the vector loop, its rest, and the early stop between stretches.
    [TestCase(1, 3, 1)]
    [TestCase(5, 7, 1)]
    [TestCase(19, 17, 3)]
    public void NearestNeighboursEqualPlainSearch(int height, int width, int channels)
    {
        ImageDataset images = Noise(9, height, width, channels, 1, range: 256), reference = Noise(40, height, width, channels, 2, range: 256);
        var found = SampleQuality.NearestNeighbours(images, reference, threads: 1);
        Assert.That(SampleQuality.NearestNeighbours(images, reference, threads: 2), Is.EqualTo(found));
        for (int i = 0; i < images.Count; i++)
        {
            var sorted = Enumerable.Range(0, reference.Count).Select(r => (Distance: Distance(images.Row(i), reference.Row(r)), Index: r)).Order().ToArray();
            Assert.That(found[i].Distance, Is.EqualTo(sorted[0].Distance).Within(1e-12));
            Assert.That(found[i].SecondDistance, Is.EqualTo(sorted[1].Distance).Within(1e-12));
            if (sorted[0].Distance < sorted[1].Distance) Assert.That(found[i].Index, Is.EqualTo(sorted[0].Index));
        }
    }

    [Test]
    public void NearestNeighboursOfBlackAndWhiteReachTheLargestDistance()
    {
        byte[] white = new byte[28 * 28];
        Array.Fill(white, (byte)255);
        var found = SampleQuality.NearestNeighbours(Images(white, 28, 28), Images(new byte[28 * 28], 28, 28));
        Assert.That(found[0].Distance, Is.EqualTo(28).Within(1e-12));
        Assert.That(found[0].SecondDistance, Is.EqualTo(double.PositiveInfinity));
    }

    [Test]
    public void NearestNeighboursRefuseImagesOfOtherSizes() =>
        Assert.That(() => SampleQuality.NearestNeighbours(Noise(1, 2, 3, 1, 0, 256), Noise(1, 3, 2, 1, 0, 256)),
            Throws.ArgumentException.With.Message.Contains("2x3x1").And.Message.Contains("3x2x1"));

    [Test]
    public void WithinClassVarianceIsTheMeanOfTheClasses()
    {
        // Class 0: pixel values 0 and 255 in both pixels, variance 1/2 each; class 1: constant; class 2: a single image, left out.
        var images = new ImageDataset(1, 2, 1, new byte[] { 0, 255, 255, 0, 9, 7, 9, 7, 200, 3 }, new[] { 0, 0, 1, 1, 2 }, ["a", "b", "c"]);
        Assert.That(SampleQuality.WithinClassVariance(images), Is.EqualTo((2 * 0.5 + 0) / 2).Within(1e-12));
        Assert.That(() => SampleQuality.WithinClassVariance(images.Subset(4, 1)), Throws.ArgumentException);
    }

    [Test]
    public void NearCopyRuleFindsNoisyCopiesAndSparesUnseenImages()
    {
        ImageDataset train = Noise(200, 8, 8, 1, 3, 256), unseen = Noise(100, 8, 8, 1, 4, 256);
        var nearest = SampleQuality.NearestNeighbours(unseen, train);
        var rule = new NearCopyRule(unseen, nearest);
        Assert.That(nearest.Any(n => rule.IsNearCopy(0, n)), Is.False);

        byte[] copies = train.Subset(0, 50).Pixels.ToArray();
        for (int i = 0; i < copies.Length; i++) copies[i] = (byte)Math.Clamp(copies[i] + Draw(5, i, 21) - 10, 0, 255);
        var copied = SampleQuality.NearestNeighbours(new ImageDataset(8, 8, 1, copies, new int[50], ["0"]), train);
        Assert.That(copied.Select(n => n.Index), Is.EqualTo(Enumerable.Range(0, 50)));
        Assert.That(copied.All(n => rule.IsNearCopy(0, n)), Is.True);
        Assert.That(rule.DistanceLimit(0), Is.EqualTo(nearest.Min(n => n.Distance) / 2));
    }

    private static double Distance(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b)
    {
        double sum = 0;
        for (int i = 0; i < a.Length; i++) sum += Math.Pow((a[i] - b[i]) / 255.0, 2);
        return Math.Sqrt(sum);
    }

    private static ImageDataset Images(byte[] pixels, int height, int width) => new(height, width, 1, pixels, new int[pixels.Length / (height * width)], ["0"]);

    private static ImageDataset Noise(int count, int height, int width, int channels, ulong seed, int range)
    {
        byte[] pixels = new byte[count * height * width * channels];
        for (int i = 0; i < pixels.Length; i++) pixels[i] = (byte)Draw(seed, i, range);
        return new ImageDataset(height, width, channels, pixels, new int[count], ["0"]);
    }

    private static int Draw(ulong seed, int i, int range) => (int)(Philox.Uniform(seed, 0, 0, RandomStream.Order, (uint)i) * range);
}
