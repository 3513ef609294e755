using NativeDiffusion.Model.Images;
using NativeDiffusion.Pictures;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class CaptionTests
{
    [TestCase("cat", "cat")]
    [TestCase("caf\u00e9", "cafe")]
    [TestCase("cafe\u0301", "cafe")]
    [TestCase("\u00c5ngstr\u00f6m", "Angstrom")]
    [TestCase("\u732b 1", "(U+732B) 1")]
    public void NamesStayReadableWithoutAFont(string name, string shown) => Assert.That(Caption.Readable(name), Is.EqualTo(shown));

    [Test]
    public void GridsOfPlainNamesHaveTheSameBytesWithAnyFont()
    {
        Image[] images = [new(8, 8, 1, new byte[64])];
        Image plain = ImageGrid.Compose(images, 1, rowHeads: ["cat"]), withFont = ImageGrid.Compose(images, 1, rowHeads: ["cat"], font: new SystemCaptions());
        Assert.That(withFont.Pixels.ToArray(), Is.EqualTo(plain.Pixels.ToArray()));
    }

    [Test]
    public void OtherNamesAreDrawnByTheFontAndDiffer()
    {
        var font = new Stub();
        Image[] images = [new(8, 8, 1, new byte[64]), new(8, 8, 1, new byte[64])];
        Image grid = ImageGrid.Compose(images, 1, gap: 0, background: 255, rowHeads: ["\u732b", "\u72ac"], font: font);
        Assert.That(font.Drawn, Is.EqualTo(new[] { "\u732b", "\u72ac" }));
        Assert.That(grid.Width, Is.EqualTo(8 + 3 + 2 * 2));
        Assert.That(grid.Pixels.Span[grid.Width * 2 + 2], Is.EqualTo(255 - 100));
    }

    [Test]
    public void TheFontsOfTheMachineDrawWhatTheyHave()
    {
        if (new SystemCaptions().Draw("\u043a\u043e\u0442 \u00e9", 14) is not { } caption)
        {
            Assert.Ignore("This machine has no font with these letters.");
            return;
        }
        Assert.That(caption.Height, Is.InRange(10, 30));
        Assert.That(caption.Pixels.ToArray().Count(p => p > 128), Is.InRange(20, caption.Width * caption.Height / 2));
        Assert.That(new SystemCaptions().Draw("\U000F1234", 14), Is.Null, "a private character is in no font");
    }

    private sealed class Stub : ICaptionFont
    {
        public List<string> Drawn { get; } = [];

        public Image? Draw(string text, int height)
        {
            Drawn.Add(text);
            return new Image(3, 4, 1, [.. Enumerable.Repeat((byte)100, 12)]);
        }
    }
}
