using System.Buffers.Binary;
using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class PngTests
{
    [Test]
    public void ReadsEveryKind([Values] bool interlaced, [Values] bool transparent)
    {
        int seed = 0;
        foreach ((int colourType, int depth) in TestPng.Kinds())
            foreach ((int width, int height) in new[] { (1, 1), (3, 2), (8, 8), (5, 11), (17, 13), (1, 9), (33, 1) })
            {
                TestPng png = TestPng.Make(width, height, colourType, depth, interlaced, transparent, seed++);
                Image image = PngReader.Decode(png.Encode(), "test");
                Assert.That((image.Width, image.Height), Is.EqualTo((width, height)));
                Assert.That(image.ToRgb().Pixels.ToArray(), Is.EqualTo(png.ExpectedRgb()), $"{png}");
                if (colourType != 3)
                    Assert.That(image.Channels, Is.EqualTo(colourType is 0 or 4 ? 1 : 3));
            }
    }

    [Test]
    public void PaletteOfGreysGivesGrey()
    {
        TestPng png = TestPng.Make(6, 6, 3, 2, false, false, 1) with { Palette = [0, 0, 0, 9, 9, 9, 80, 80, 80, 255, 255, 255] };
        Image image = PngReader.Decode(png.Encode(), "test");
        Assert.That(image.Channels, Is.EqualTo(1));
        Assert.That(image.ToRgb().Pixels.ToArray(), Is.EqualTo(png.ExpectedRgb()));
    }

    [Test]
    public void SixteenBitsAreRounded()
    {
        TestPng png = new(3, 1, 0, 16, false) { Samples = [128, 129, 65406] };
        Assert.That(PngReader.Decode(png.Encode(), "test").Pixels.ToArray(), Is.EqualTo(new byte[] { 0, 1, 254 }));
    }

    [Test]
    public void WriterRoundTrips([Values(1, 3)] int channels, [Values] bool noise)
    {
        foreach ((int width, int height) in new[] { (1, 1), (7, 5), (64, 48), (1, 300) })
        {
            byte[] pixels = new byte[width * height * channels];
            for (int i = 0; i < pixels.Length; i++)
                pixels[i] = (byte)(noise ? i * 2654435761L >> 7 : i / channels % width * 3 + i / (channels * width) * 2);
            byte[] file = PngWriter.Encode(new Image(width, height, channels, pixels));
            Image back = PngReader.Decode(file, "test");
            Assert.That((back.Width, back.Height, back.Channels), Is.EqualTo((width, height, channels)));
            Assert.That(back.Pixels.ToArray(), Is.EqualTo(pixels));
            Assert.That(PngWriter.Encode(back), Is.EqualTo(file));
        }
    }

    [Test]
    public void WriterFiltersSmoothPictures()
    {
        byte[] pixels = Enumerable.Range(0, 256 * 256).Select(i => (byte)(i % 256 + i / 256)).ToArray();
        Assert.That(PngWriter.Encode(new Image(256, 256, 1, pixels)), Has.Length.LessThan(2000));
    }

    [Test]
    public void WritesAFileAndReadsIt()
    {
        string folder = Directory.CreateTempSubdirectory("nd-png-").FullName;
        try
        {
            string path = Path.Combine(folder, "one.png");
            PngWriter.Write(path, new Image(2, 1, 1, [3, 200]));
            Assert.That(PngReader.Read(path).Pixels.ToArray(), Is.EqualTo(new byte[] { 3, 200 }));
            Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void ReportsEveryTruncation()
    {
        byte[] file = TestPng.Make(9, 7, 3, 4, true, true, 4).Encode();
        for (int length = 0; length < file.Length; length++)
            Assert.That(() => PngReader.Decode(file.AsSpan(0, length), "cut.png"),
                Throws.TypeOf<InvalidDataException>().With.Message.Contains("'cut.png'").And.Message.Contains("at byte"), $"length {length}");
    }

    [Test]
    public void ReportsEveryChangedByte()
    {
        byte[] file = TestPng.Make(5, 4, 2, 8, false, true, 3).Encode();
        for (int i = 0; i < file.Length; i++)
        {
            byte[] changed = [.. file];
            changed[i] ^= 0x41;
            Assert.That(() => PngReader.Decode(changed, "bad.png"), Throws.TypeOf<InvalidDataException>(), $"byte {i}");
        }
    }

    [Test]
    public void RefusesHugeSizesWithoutAllocating([Values(16384, 8192, int.MaxValue, 0)] int side)
    {
        byte[] file = TestPng.Make(5, 4, 6, 16, false, false, 3).Encode();
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(16), side);
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(20), side);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), TestPng.Crc(file.AsSpan(12, 17)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => PngReader.Decode(file, "big.png"), Throws.TypeOf<InvalidDataException>());
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }

    [Test]
    public void RefusesChunksOutOfPlace()
    {
        byte[] file = TestPng.Make(5, 4, 3, 8, false, true, 3).Encode(dataChunkBytes: 10);
        int header = 8 + 25, text = 12 + 3, data = FindChunk(file, "IDAT"), palette = FindChunk(file, "PLTE");
        byte[] paletteChunk = file[palette..FindChunk(file, "tRNS")];
        byte[] unknown = TestPng.Chunk("ABCD", []);
        (string Why, byte[] File)[] cases =
        [
            ("second IHDR", [.. file[..header], .. file[8..]]),
            ("without IHDR", [.. file[..8], .. file[header..]]),
            ("critical unknown", [.. file[..header], .. unknown, .. file[header..]]),
            ("PLTE twice", [.. file[..data], .. paletteChunk, .. file[data..]]),
            ("PLTE missing", [.. file[..palette], .. file[FindChunk(file, "tRNS")..]]),
            ("IDAT split", [.. file[..(data + 22)], .. file[header..(header + text)], .. file[(data + 22)..]]),
            ("IDAT missing", [.. file[..data], .. file[FindChunk(file, "IEND")..]]),
            ("grey with a palette's tRNS", new TestPng(1, 1, 0, 8, false) { Samples = [1], Transparency = [1, 2, 3] }.Encode()),
            ("palette index", new TestPng(1, 1, 3, 8, false) { Samples = [3], Palette = [1, 2, 3] }.Encode()),
            ("one line too many", Replace(new TestPng(1, 3, 0, 8, false) { Samples = [1, 2, 3] }.Encode(), height: 2)),
            ("one line too few", Replace(new TestPng(1, 3, 0, 8, false) { Samples = [1, 2, 3] }.Encode(), height: 4)),
        ];
        foreach ((string why, byte[] changed) in cases)
            Assert.That(() => PngReader.Decode(changed, "x.png"), Throws.TypeOf<InvalidDataException>(), why);
    }

    private static byte[] Replace(byte[] file, int height)
    {
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(20), height);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), TestPng.Crc(file.AsSpan(12, 17)));
        return file;
    }

    private static int FindChunk(byte[] file, string type) =>
        file.AsSpan().IndexOf(type.Select(letter => (byte)letter).ToArray()) - 4;
}
