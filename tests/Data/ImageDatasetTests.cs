using NativeDiffusion.Model.Data;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Data;

public sealed class ImageDatasetTests
{
    [Test]
    public void PadToCentresEveryImage()
    {
        ImageDataset padded = Small().PadTo(5);
        Assert.That((padded.Height, padded.Width, padded.Count), Is.EqualTo((5, 5, 2)));
        byte[] first = new byte[50];
        new byte[] { 1, 2, 3, 4, 5, 6 }.CopyTo(first, (1 * 5 + 1) * 2);
        new byte[] { 7, 8, 9, 10, 11, 12 }.CopyTo(first, (2 * 5 + 1) * 2);
        Assert.That(padded.Row(0).ToArray(), Is.EqualTo(first));
        Assert.That(padded.Row(1).ToArray().Sum(value => value), Is.EqualTo(Small().Row(1).ToArray().Sum(value => value)));
        Assert.That(() => Small().PadTo(2), Throws.ArgumentException.With.Message.Contains("2 x 3"));
    }

    [Test]
    public void DigitsArePaddedByTwoOnEachSide()
    {
        ImageDataset digits = new(28, 28, 1, Enumerable.Repeat((byte)9, 784).ToArray(), new[] { 0 }, ["0"]);
        ReadOnlySpan<byte> row = digits.PadTo(32).Row(0);
        Assert.That((row[2 * 32 + 2], row[29 * 32 + 29]), Is.EqualTo(((byte)9, (byte)9)));
        Assert.That((row[1 * 32 + 2], row[2 * 32 + 1], row[30 * 32 + 29], row[29 * 32 + 30]), Is.EqualTo(((byte)0, (byte)0, (byte)0, (byte)0)));
    }

    [Test]
    public void CopyRowScalesToPlusMinusOne()
    {
        ImageDataset set = new(1, 3, 1, new byte[] { 9, 9, 9, 0, 51, 255 }, new[] { 0, 0 }, ["a"]);
        float[] row = new float[3];
        set.CopyRow(1, row);
        Assert.That(row, Is.EqualTo(new[] { -1f, 51 / 127.5f - 1f, 1f }));
        Assert.That(() => set.CopyRow(2, row), Throws.TypeOf<ArgumentOutOfRangeException>());
        Assert.That(() => set.CopyRow(0, new float[4]), Throws.ArgumentException);
    }

    [Test]
    public void SubsetKeepsOrderAndClasses()
    {
        ImageDataset set = Small().Subset([1, 0, 1]);
        Assert.That(set.Labels.ToArray(), Is.EqualTo(new[] { 2, 0, 2 }));
        Assert.That(set.Row(2).ToArray(), Is.EqualTo(Small().Row(1).ToArray()));
        Assert.That(set.ClassNames, Is.EqualTo(Small().ClassNames));
        Assert.That(Small().Subset(1, 1).Row(0).ToArray(), Is.EqualTo(Small().Row(1).ToArray()));
    }

    [Test]
    public void RefusesWrongSizesAndLabels()
    {
        Assert.That(() => new ImageDataset(2, 2, 1, new byte[5], new[] { 0 }, ["a"]), Throws.ArgumentException.With.Message.Contains("5"));
        Assert.That(() => new ImageDataset(1, 1, 1, new byte[1], new[] { 1 }, ["a"]), Throws.ArgumentException.With.Message.Contains("label 1"));
        Assert.That(() => new ImageDataset(0, 1, 1, new byte[0], new int[0], []), Throws.ArgumentException);
    }

    private static ImageDataset Small() => new(
        2, 3, 2, Enumerable.Range(1, 24).Select(value => (byte)value).ToArray(), new[] { 0, 2 }, ["zero", "one", "two"]);
}
