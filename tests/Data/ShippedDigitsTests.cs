using System.Security.Cryptography;
using NativeDiffusion.Model.Data;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Data;

public sealed class ShippedDigitsTests
{
    [Test]
    public void TrainingSetIsMnist() => CheckFacts(
        ShippedDigits.LoadTrain(), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949], 33.318421,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", [5, 0, 4, 1, 9]);

    [Test]
    public void TestSetIsMnist() => CheckFacts(
        ShippedDigits.LoadTest(), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009], 33.791224,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", [7, 2, 1, 0, 4]);

    [Test]
    public void FilesStayWithinTheirBudget()
    {
        string folder = Path.GetDirectoryName(ShippedFiles.Find("data/train-images-idx3-ubyte.gz"))!;
        Assert.That(Directory.GetFiles(folder, "*.gz").Sum(path => new FileInfo(path).Length), Is.LessThanOrEqualTo(12_000_000));
    }

    [Test]
    public void MissingShippedFileNamesThePlaces() => Assert.That(
        () => ShippedFiles.Find("data/absent.gz"),
        Throws.TypeOf<FileNotFoundException>().With.Message.Contains("data/absent.gz").And.Message.Contains(AppContext.BaseDirectory));

    private static void CheckFacts(ImageDataset set, int[] histogram, double mean, string unpackedSha256, int[] firstLabels)
    {
        Assert.That((set.Height, set.Width, set.Channels, set.ClassCount), Is.EqualTo((28, 28, 1, 10)));
        Assert.That(set.Count, Is.EqualTo(histogram.Sum()));
        int[] counts = new int[10];
        foreach (int label in set.Labels.Span)
            counts[label]++;
        Assert.That(counts, Is.EqualTo(histogram));
        Assert.That(set.Labels[..5].ToArray(), Is.EqualTo(firstLabels));
        long sum = 0;
        foreach (byte pixel in set.Pixels.Span)
            sum += pixel;
        Assert.That((double)sum / set.Pixels.Length, Is.EqualTo(mean).Within(1e-6));

        byte[] header = [0, 0, 8, 3, 0, 0, (byte)(set.Count >> 8), (byte)set.Count, 0, 0, 0, 28, 0, 0, 0, 28];
        using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(header);
        hash.AppendData(set.Pixels.Span);
        Assert.That(Convert.ToHexStringLower(hash.GetHashAndReset()), Is.EqualTo(unpackedSha256));
    }
}
