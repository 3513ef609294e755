using System.Buffers.Binary;
using System.IO.Compression;
using NativeDiffusion.Model.Data;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Data;

public sealed class IdxFileTests
{
    private string _folder = null!;

    [SetUp]
    public void CreateFolder() => _folder = Directory.CreateTempSubdirectory("nd-idx-").FullName;

    [TearDown]
    public void DeleteFolder() => Directory.Delete(_folder, recursive: true);

    [Test]
    public void LoadsPlainAndPackedFiles([Values] bool packed)
    {
        ImageDataset set = IdxFile.Load(Save("images", Images(3, 2, 4), packed), Save("labels", Labels(7, 0, 2), packed));
        Assert.That((set.Count, set.Height, set.Width, set.Channels, set.ClassCount), Is.EqualTo((3, 2, 4, 1, 8)));
        Assert.That(set.Labels.ToArray(), Is.EqualTo(new[] { 7, 0, 2 }));
        Assert.That(set.ClassNames[7], Is.EqualTo("7"));
        Assert.That(set.Pixels.ToArray(), Is.EqualTo(Images(3, 2, 4)[16..]));
    }

    [Test]
    public void ReportsEveryTruncation([Values] bool packed)
    {
        string labels = Save("labels", Labels(7, 0, 2), packed: false);
        byte[] whole = packed ? Pack(Images(3, 2, 4)) : Images(3, 2, 4);
        // A packed file that lacks only its trailer (check sum and length) still gave every byte that its header promised.
        int lastBad = packed ? whole.Length - 9 : whole.Length - 1;
        for (int length = 0; length <= lastBad; length++)
        {
            string images = Save("cut", whole[..length], packed: false);
            Assert.That(() => IdxFile.Load(images, labels), Throws.TypeOf<InvalidDataException>().With.Message.Contains(images), $"length {length}");
        }
    }

    [Test]
    public void RefusesMoreBytesThanDeclared([Values] bool packed)
    {
        string images = Save("images", [.. Images(3, 2, 4), 1], packed);
        Assert.That(() => IdxFile.Load(images, Save("labels", Labels(1, 2, 3), packed: false)),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains("goes on"));
    }

    [Test]
    public void ChecksTheGzipSum()
    {
        byte[] packed = Pack(Images(3, 2, 4));
        packed[^7] ^= 1;
        string images = Save("images", packed, packed: false);
        Assert.That(() => IdxFile.Load(images, Save("labels", Labels(1, 2, 3), packed: false)),
            Throws.TypeOf<InvalidDataException>().With.Message.Contains(images));
    }

    [Test]
    public void ChangedBytesOfPackedFilesGiveInvalidDataException()
    {
        byte[] packed = Pack(Images(20, 3, 4));
        string labels = Save("labels", Labels(new byte[20]), packed: false);
        for (int i = 0; i < packed.Length; i++)
            foreach (byte change in new byte[] { 1, 0x10, 0x80, 0xff })
            {
                byte[] changed = [.. packed];
                changed[i] ^= change;
                string images = Save("changed", changed, packed: false);
                try
                {
                    // Header fields such as the time stamp may change without harm.
                    Assert.That(IdxFile.Load(images, labels).Pixels.ToArray(), Is.EqualTo(Images(20, 3, 4)[16..]));
                }
                catch (InvalidDataException exception)
                {
                    Assert.That(exception.Message, Does.Contain(images));
                }
            }
    }

    [Test]
    public void RefusesCountsThatDiffer() => Assert.That(
        () => IdxFile.Load(Save("images", Images(3, 2, 4), packed: false), Save("labels", Labels(1, 2), packed: false)),
        Throws.TypeOf<InvalidDataException>().With.Message.Contains("3 images").And.Message.Contains("2 labels"));

    [Test]
    public void RefusesLabelsInPlaceOfImages()
    {
        string labels = Save("labels", Labels(1, 2, 3, 4, 5, 6, 7, 8, 9), packed: false);
        Assert.That(() => IdxFile.Load(labels, labels), Throws.TypeOf<InvalidDataException>().With.Message.Contains("0x00000801"));
    }

    [TestCase(2_000_000_000u, 1u, 1u)]
    [TestCase(60_000u, 16384u, 2u)]
    [TestCase(0xffffffffu, 28u, 28u)]
    [TestCase(1u, 65536u, 65536u)]
    [TestCase(0u, 28u, 28u)]
    public void RefusesHostileSizesWithoutAllocating(uint count, uint height, uint width)
    {
        byte[] file = Images(3, 2, 4);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(4), count);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(8), height);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(12), width);
        string labels = Save("labels", Labels(1), packed: false);
        foreach (bool packed in new[] { false, true })
        {
            string images = Save("hostile", file, packed);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.That(() => IdxFile.Load(images, labels), Throws.TypeOf<InvalidDataException>());
            Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
        }
    }

    [Test]
    public void NamesAMissingFile() => Assert.That(
        () => IdxFile.Load(Path.Combine(_folder, "absent"), Path.Combine(_folder, "absent")),
        Throws.TypeOf<FileNotFoundException>().With.Message.Contains("absent"));

    private static byte[] Images(int count, int height, int width)
    {
        byte[] file = new byte[16 + count * height * width];
        BinaryPrimitives.WriteInt32BigEndian(file, 0x0803);
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(4), count);
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(8), height);
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(12), width);
        for (int i = 16; i < file.Length; i++)
            file[i] = (byte)(i * 37);
        return file;
    }

    private static byte[] Labels(params byte[] labels) => [0, 0, 8, 1, 0, 0, 0, (byte)labels.Length, .. labels];

    private static byte[] Pack(byte[] content)
    {
        MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal))
            gzip.Write(content);
        return packed.ToArray();
    }

    private string Save(string name, byte[] content, bool packed)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllBytes(path, packed ? Pack(content) : content);
        return path;
    }
}
