using System.Globalization;
using System.Text;

namespace NativeDiffusion.Model.Images;

/// <summary>
/// A caption of a grid, drawn with the built-in font of dots where that has all of its letters (so that grids of plain names have the same bytes everywhere), else by another
/// font, else in what is left of it: letters without their accents, and other characters by their numbers.
/// </summary>
internal sealed class Caption
{
    private const int FirstLatin = 0xc0, FirstMoreLatin = 0x1e00;

    // The letters of Latin-1 and Latin Extended-A, and those of Latin Extended Additional, without what is above, below and across them.
    private const string Latin =
        "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuytyAaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGg" +
        "GgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

    private const string MoreLatin =
        "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOoOoOoPpPpRrRrRrRr" +
        "SsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwyasssSdAaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEe" +
        "EeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUuUuYyYyYyYyLlVvYy";

    private readonly Image? _drawn;
    private readonly string _text;
    private readonly int _scale;

    public Caption(string text, int scale, ICaptionFont? font)
    {
        (_text, _scale) = (text, scale);
        if (BitmapFont.Has(text)) return;
        _drawn = font?.Draw(text, BitmapFont.GlyphHeight * scale);
        if (_drawn is null) _text = Readable(text);
    }

    /// <summary>Width in pixels.</summary>
    public int Width => _drawn?.Width ?? BitmapFont.Width(_text, _scale);

    /// <summary>Height in pixels.</summary>
    public int Height => _drawn?.Height ?? BitmapFont.GlyphHeight * _scale;

    /// <summary>Calls <paramref name="cover"/> for every pixel that the caption touches, with how much of it, 1 to 255.</summary>
    public void Draw(int left, int top, Action<int, int, byte> cover)
    {
        if (_drawn is null)
        {
            BitmapFont.Draw(_text, left, top, _scale, (x, y) =>
            {
                for (int row = y; row < y + _scale; row++)
                    for (int column = x; column < x + _scale; column++) cover(column, row, byte.MaxValue);
            });
            return;
        }
        var pixels = _drawn.Pixels.Span;
        for (int y = 0; y < _drawn.Height; y++)
            for (int x = 0; x < _drawn.Width; x++)
                if (pixels[y * _drawn.Width + x] is > 0 and var covered) cover(left + x, top + y, covered);
    }

    /// <summary>The same in letters of the built-in font.</summary>
    internal static string Readable(string text)
    {
        var readable = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (BitmapFont.Has(rune.ToString())) readable.Append(rune);
            else if (WithoutAccent(rune.Value) is { } letter) readable.Append(letter);
            else if (Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark)) readable.Append(CultureInfo.InvariantCulture, $"(U+{rune.Value:X4})");
        }
        return readable.ToString();
    }

    // The runtime decomposes no letters where it has no tables of cultures, as here.
    private static char? WithoutAccent(int letter) =>
        letter >= FirstLatin && letter < FirstLatin + Latin.Length ? Latin[letter - FirstLatin]
        : letter >= FirstMoreLatin && letter < FirstMoreLatin + MoreLatin.Length ? MoreLatin[letter - FirstMoreLatin] : null;
}
