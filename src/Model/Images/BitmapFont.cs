namespace NativeDiffusion.Model.Images;

/// <summary>A fixed-width font of 5 x 7 dots for the captions of grids; unknown characters show as an empty box.</summary>
internal static class BitmapFont
{
    internal const int GlyphWidth = 5;
    internal const int GlyphHeight = 7;

    /// <summary>Distance from one character to the next.</summary>
    internal const int Advance = GlyphWidth + 1;

    // One glyph per entry: the character, then seven lines of five dots as two hexadecimal digits each, leftmost dot 0x10.
    private const string Dots =
        "00E11131519110E 1040C040404040E 20E11010204081F 31F02040201110E 402060A121F0202 51F101E0101110E 60608101E11110E 71F010204080808 " +
        "80E11110E11110E 90E11110F01020C A0E11111F111111 B1E11111E11111E C0E11101010110E D1C12111111121C E1F10101E10101F F1F10101E101010 " +
        "G0E11101711110F H1111111F111111 I0E04040404040E J0702020202120C K11121418141211 L1010101010101F M111B1515111111 N11111915131111 " +
        "O0E11111111110E P1E11111E101010 Q0E11111115120D R1E11111E141211 S0F10100E01011E T1F040404040404 U1111111111110E V11111111110A04 " +
        "W1111111515150A X11110A040A1111 Y1111110A040404 Z1F01020408101F a00000E010F110F b1010161911111E c00000E1010110E d01010D1311110F " +
        "e00000E111F100E f0609081C080808 g000F11110F010E h10101619111111 i04000C0404040E j0200060202120C k10101214181412 l0C04040404040E " +
        "m00001A15151111 n00001619111111 o00000E1111110E p00001E111E1010 q00000D130F0101 r00001619101010 s00000E100E011E t08081C08080906 " +
        "u0000111111130D v00001111110A04 w0000111115150A x0000110A040A11 y000011110F010E z00001F0204081F =00001F001F0000 .00000000000C0C " +
        "-0000001F000000 _0000000000001F +0004041F040400 %18190204081303 :000C0C000C0C00 ,000000000C0408 /00010204081000 (02040808080402 )08040202020408";

    private static readonly Dictionary<char, byte[]> Glyphs = Parse();

    /// <summary>Whether all characters of a text have a glyph.</summary>
    internal static bool Has(string text) => text.All(c => c != '\0' && Glyphs.ContainsKey(c));

    /// <summary>Width in pixels of a text at the given magnification.</summary>
    internal static int Width(string text, int scale) => text.Length == 0 ? 0 : (text.Length * Advance - 1) * scale;

    /// <summary>Calls <paramref name="fill"/> with the corner of every dot, each <paramref name="scale"/> pixels wide and high.</summary>
    internal static void Draw(string text, int left, int top, int scale, Action<int, int> fill)
    {
        for (int i = 0; i < text.Length; i++)
        {
            byte[] glyph = Glyphs.TryGetValue(text[i], out byte[]? found) ? found : Glyphs['\0'];
            for (int y = 0; y < GlyphHeight; y++)
                for (int x = 0; x < GlyphWidth; x++)
                    if ((glyph[y] & (0x10 >> x)) != 0)
                        fill(left + (i * Advance + x) * scale, top + y * scale);
        }
    }

    private static Dictionary<char, byte[]> Parse()
    {
        Dictionary<char, byte[]> glyphs = new() { [' '] = new byte[GlyphHeight], ['\0'] = [0x1f, 0x11, 0x11, 0x11, 0x11, 0x11, 0x1f] };
        foreach (string entry in Dots.Split(' '))
            glyphs.Add(entry[0], Convert.FromHexString(entry.AsSpan(1)));
        return glyphs;
    }
}
