using System.Buffers.Binary;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NativeDiffusion.Tests.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Pictures;

public sealed class PictureReaderTests
{
    [Test]
    public void EveryKindHasThePixelsThatOtherProgramsSee()
    {
        var expected = NpzReader.Read(PictureFiles.PathOf("expected.npz"));
        using (Assert.EnterMultipleScope())
            foreach (var (name, array) in expected.Where(e => !e.Key.StartsWith("fit", StringComparison.Ordinal)))
            {
                var image = PictureReader.Read(PictureFiles.PathOf(name));
                Assert.That((image.Height, image.Width, image.Channels), Is.EqualTo((array.Shape[0], array.Shape[1], array.Shape[2])), name);
                Assert.That(image.Pixels.ToArray(), Is.EqualTo(array.Data.ToArray()), name);
            }
    }

    [Test]
    public void ReadsEveryKindOfPng([Values] bool interlaced, [Values] bool transparent)
    {
        int seed = 0;
        foreach ((int colourType, int depth) in TestPng.Kinds())
            foreach ((int width, int height) in new[] { (1, 1), (8, 8), (5, 11), (33, 1) })
            {
                TestPng png = TestPng.Make(width, height, colourType, depth, interlaced, transparent, seed++);
                Image image = PictureReader.Decode(png.Encode(), "test");
                Assert.That(image.ToRgb().Pixels.ToArray(), Is.EqualTo(png.ExpectedRgb()), $"{png}");
                if (colourType != 3) Assert.That(image.Channels, Is.EqualTo(colourType is 0 or 4 ? 1 : 3));
            }
    }

    [Test]
    public void PaletteOfGreysGivesGrey()
    {
        TestPng png = TestPng.Make(6, 6, 3, 2, false, false, 1) with { Palette = [0, 0, 0, 9, 9, 9, 80, 80, 80, 255, 255, 255] };
        Image image = PictureReader.Decode(png.Encode(), "test");
        Assert.That(image.Channels, Is.EqualTo(1));
        Assert.That(image.ToRgb().Pixels.ToArray(), Is.EqualTo(png.ExpectedRgb()));
    }

    [TestCase("cut_rgb420.jpg", "a JPEG that is truncated")]
    [TestCase("cut_progressive.jpg", "a JPEG that is truncated")]
    [TestCase("cut_rgb.png", "a PNG that is truncated")]
    [TestCase("cut_lossy.webp", "a WebP that is truncated")]
    public void ATruncatedPictureIsAnError(string name, string what) =>
        Assert.That(() => PictureReader.Read(PictureFiles.PathOf(name)), Throws.TypeOf<InvalidDataException>().With.Message.Contains(name).And.Message.Contains(what));

    [TestCase("rgb420.jpg")]
    [TestCase("progressive.jpg")]
    [TestCase("rgb.png")]
    [TestCase("palette.png")]
    [TestCase("lossless.webp")]
    [TestCase("lossy.webp")]
    [TestCase("rgb.bmp")]
    public void WhateverIsMissingIsNoticed(string name)
    {
        byte[] file = File.ReadAllBytes(PictureFiles.PathOf(name));
        // What stands behind the last pixel is not missed: check sums and the last chunk of a PNG, the padding of a BMP.
        int most = name.EndsWith("png", StringComparison.Ordinal) ? file.Length - 21 : name.EndsWith("jpg", StringComparison.Ordinal) ? file.Length - 3 : file.Length - 4;
        for (int length = 0; length < most; length += 1 + length / 50)
            Assert.That(() => PictureReader.Decode(file.AsSpan(0, length), name), Throws.TypeOf<InvalidDataException>().With.Message.Contains(name), $"{length} of {file.Length}");
    }

    [Test]
    public void WhatCannotBeReadIsCalledByItsTrueName()
    {
        byte[] jpeg = File.ReadAllBytes(PictureFiles.PathOf("cut_rgb420.jpg"));
        (string Name, byte[] File, string Says)[] cases =
        [
            ("a.png", jpeg, "a JPEG named .png that is truncated"),
            ("a.jpg", "<!DOCTYPE html><html>"u8.ToArray(), "a web page named .jpg"),
            ("a.jpg", "version https://git-lfs.github.com/spec/v1\noid sha256:1"u8.ToArray(), "a Git LFS pointer, not the file itself named .jpg"),
            ("a.jpg", [], "it is empty (0 bytes)"),
            ("a.jpg", [0, 0, 0, 24, .. "ftypheic"u8], "a HEIC named .jpg"),
            ("a.heic", [0, 0, 0, 24, .. "ftypheic"u8], "a HEIC. Pictures are read as JPEG"),
            ("a.tif", [.. "II*\0"u8, 1, 2], "a TIFF. Pictures are read as JPEG, PNG, WebP, GIF and BMP; convert it"),
            ("a.jpg", [.. "PK"u8, 3, 4], "a zip archive named .jpg"),
            ("a.jpg", [7, 1, 2, 3], "named .jpg, but of no kind that is known"),
            ("a.jpg", [0xff, 0xd8, 0xff, 0xe0], "a JPEG whose header is damaged or cut off"),
        ];
        using (Assert.EnterMultipleScope())
            foreach (var (name, file, says) in cases)
                Assert.That(() => PictureReader.Decode(file, name), Throws.TypeOf<InvalidDataException>().With.Message.Contains($"'{name}'").And.Message.Contains(says));
        Assert.That(PictureReader.Read(PictureFiles.PathOf("jpeg_named.png")).Width, Is.EqualTo(37), "a wrong name alone does no harm");
    }

    [Test]
    public void RefusesHugeSizesWithoutAllocating([Values(16385, 12000, int.MaxValue)] int side)
    {
        byte[] file = TestPng.Make(5, 4, 6, 16, false, false, 3).Encode();
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(16), side);
        BinaryPrimitives.WriteInt32BigEndian(file.AsSpan(20), side);
        BinaryPrimitives.WriteUInt32BigEndian(file.AsSpan(29), TestPng.Crc(file.AsSpan(12, 17)));
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.That(() => PictureReader.Decode(file, "big.png"), Throws.TypeOf<InvalidDataException>().With.Message.Contains("big.png"));
        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.LessThan(1 << 20));
    }
}
