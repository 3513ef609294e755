using NativeDiffusion.Model.Images;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Images;

public sealed class ImageGridTests
{
    [Test]
    public void PlacesImagesRowByRow()
    {
        Image grid = ImageGrid.Compose([Solid(1), Solid(2), Solid(3)], columns: 2, gap: 1, background: 9);
        byte[] expected =
        [
            9, 9, 9, 9, 9, 9, 9,
            9, 1, 1, 9, 2, 2, 9,
            9, 9, 9, 9, 9, 9, 9,
            9, 3, 3, 9, 9, 9, 9,
            9, 9, 9, 9, 9, 9, 9,
        ];
        Assert.That((grid.Width, grid.Height, grid.Channels), Is.EqualTo((7, 5, 1)));
        Assert.That(grid.Pixels.ToArray(), Is.EqualTo(expected));
    }

    [Test]
    public void ScalesPixelsToSquaresAndMixesColour()
    {
        Image colour = new(2, 1, 3, [1, 2, 3, 4, 5, 6]);
        Image grid = ImageGrid.Compose([colour, Solid(7)], columns: 2, gap: 0, scale: 2);
        byte[] line = [1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7];
        Assert.That(grid.Pixels.ToArray(), Is.EqualTo(line.Concat(line)));
    }

    [Test]
    public void CaptionsStayOutsideTheImages()
    {
        Image image = new(32, 32, 1, Enumerable.Repeat((byte)77, 1024).ToArray());
        Image plain = ImageGrid.Compose([image, image], 2, background: 255);
        Image labelled = ImageGrid.Compose([image, image], 2, background: 255, columnHeads: ["w=0", "w=0.5"], rowHeads: ["digit 7"]);
        Assert.That(plain.Pixels.ToArray().Count(value => value == 0), Is.Zero);
        Assert.That(labelled.Pixels.ToArray().Count(value => value == 77), Is.EqualTo(2048));
        Assert.That(labelled.Pixels.ToArray().Count(value => value == 0), Is.EqualTo(Dots("w=0") + Dots("w=0.5") + Dots("digit 7")));
        Assert.That(Dots("w"), Is.EqualTo(12));
        Assert.That(Dots("1"), Is.EqualTo(10));
        Assert.That((labelled.Width, labelled.Height), Is.EqualTo((plain.Width + 41 + 6, plain.Height + 7 + 6)));
    }

    [Test]
    public void EveryCaptionCharacterHasItsOwnGlyph()
    {
        string characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz=.-_+%:,/()";
        HashSet<string> seen = [Picture("?")];
        foreach (char character in characters)
            Assert.That(seen.Add(Picture(character.ToString())), Is.True, $"{character}");
        Assert.That(Dots(" "), Is.Zero);
    }

    [Test]
    public void RefusesWhatDoesNotFit()
    {
        Assert.That(() => ImageGrid.Compose([], 1), Throws.ArgumentException);
        Assert.That(() => ImageGrid.Compose([Solid(1), new Image(1, 1, 1, [0])], 2), Throws.ArgumentException.With.Message.Contains("1 x 1"));
        Assert.That(() => ImageGrid.Compose([Solid(1)], 1, columnHeads: ["a", "b"]), Throws.ArgumentException.With.Message.Contains("2 column"));
        Assert.That(() => ImageGrid.Compose([Solid(1)], 1, scale: 100_000), Throws.ArgumentException.With.Message.Contains("scale"));
    }

    private static Image Solid(byte value) => new(2, 1, 1, [value, value]);

    private static int Dots(string text)
    {
        int count = 0;
        BitmapFont.Draw(text, 0, 0, 1, (_, _) => count++);
        return count;
    }

    private static string Picture(string text)
    {
        List<string> dots = [];
        BitmapFont.Draw(text, 0, 0, 1, (x, y) => dots.Add($"{x},{y}"));
        return string.Join(" ", dots);
    }
}
