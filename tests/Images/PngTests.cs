using System.Text;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class PngTests
{
    [Test]
    public void WriterRoundTrips([Values(1, 3)] int channels, [Values] bool noise)
    {
        foreach ((int width, int height) in new[] { (1, 1), (7, 5), (64, 48), (1, 300) })
        {
            byte[] pixels = new byte[width * height * channels];
            for (int i = 0; i < pixels.Length; i++)
                pixels[i] = (byte)(noise ? i * 2654435761L >> 7 : i / channels % width * 3 + i / (channels * width) * 2);
            byte[] file = PngWriter.Encode(new Image(width, height, channels, pixels));
            Image back = PictureReader.Decode(file, "test");
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
            Assert.That(PictureReader.Read(path).Pixels.ToArray(), Is.EqualTo(new byte[] { 3, 200 }));
            Assert.That(Directory.GetFiles(folder), Has.Length.EqualTo(1));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Test]
    public void TextsAreWrittenAndReadBack()
    {
        PngText[] texts = [new("parameters", "a cat\nSteps: 20"), new("nativediffusion", "{\"class\":\"\u732b\"}"), new("Empty", "")];
        byte[] file = PngWriter.Encode(new Image(2, 1, 1, [3, 200]), texts);
        Assert.That(PngText.Read(new MemoryStream(file), "x"), Is.EqualTo(texts));
        Assert.That(PictureReader.Decode(file, "x").Pixels.ToArray(), Is.EqualTo(new byte[] { 3, 200 }));
        Assert.That(Encoding.Latin1.GetString(file), Does.Contain("tEXtparameters\0a cat\n").And.Contain("iTXtnativediffusion\0\0\0\0\0{"));
        foreach (string keyword in new[] { "", " x", new string('k', 80), "\u732b" })
            Assert.That(() => PngWriter.Encode(new Image(2, 1, 1, [3, 200]), [new PngText(keyword, "")]), Throws.ArgumentException.With.Message.Contains("keyword"));
    }

    [Test]
    public void CompressedTextsOfOtherToolsAreRead()
    {
        var packed = new MemoryStream();
        using (var zlib = new System.IO.Compression.ZLibStream(packed, System.IO.Compression.CompressionLevel.Optimal, leaveOpen: true)) zlib.Write("h\u00e9"u8);
        byte[] file = PngWriter.Encode(new Image(2, 1, 1, [3, 200]));
        byte[] with = [.. file[..33], .. TestPng.Chunk("zTXt", [.. "a\0\0"u8, .. packed.ToArray()]), .. TestPng.Chunk("iTXt", [.. "b\0\x1\0en\0\0"u8, .. packed.ToArray()]), .. file[33..]];
        Assert.That(PngText.Read(new MemoryStream(with), "x").Select(t => t.Text), Is.EqualTo(new[] { "h\u00c3\u00a9", "h\u00e9" }));
        with[45] ^= 1;
        Assert.That(() => PngText.Read(new MemoryStream(with), "x.png"), Throws.TypeOf<InvalidDataException>().With.Message.Contains("x.png"));
        Assert.That(() => PngText.Read(new MemoryStream(file[..^12]), "x.png"), Throws.TypeOf<InvalidDataException>().With.Message.Contains("truncated"));
        Assert.That(() => PngText.Read(new MemoryStream([1, 2, 3]), "x.png"), Throws.TypeOf<InvalidDataException>().With.Message.Contains("no PNG"));
    }

    [Test]
    public void AnimationsPlayEveryFrameAndStillAreTheLast()
    {
        Image[] frames = [.. Enumerable.Range(0, 3).Select(i => new Image(2, 2, 1, [(byte)i, 20, 30, 40]))];
        byte[] file = PngWriter.EncodeAnimation(frames, 50, 1000, [new PngText("a", "b")]);
        string text = Encoding.Latin1.GetString(file);
        Assert.That(PictureReader.Decode(file, "x").Pixels.ToArray(), Is.EqualTo(new byte[] { 2, 20, 30, 40 }));
        Assert.That(PngText.Read(new MemoryStream(file), "x"), Is.EqualTo(new[] { new PngText("a", "b") }));
        Assert.That((text.Split("acTL\0\0\0\u0003\0\0\0\0").Length, text.Split("fcTL").Length, text.Split("fdAT").Length), Is.EqualTo((2, 4, 4)));
        Assert.That(() => PngWriter.EncodeAnimation([frames[0], new Image(1, 1, 1, [0])], 50, 50), Throws.ArgumentException.With.Message.Contains("alike"));
        Assert.That(() => PngWriter.EncodeAnimation([], 50, 50), Throws.ArgumentException);
        Assert.That(() => PngWriter.EncodeAnimation(frames, 0, 50), Throws.ArgumentException);
    }
}
