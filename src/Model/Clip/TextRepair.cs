using System.Net;
using System.Text;

namespace NativeDiffusion.Model.Clip;

/// <summary>
/// Cleans a text before it is tokenized. Of what the published pipeline's library repairs it does this: UTF-8 that was read as Windows-1252 (where the
/// whole text can be read back), curly quotes, ligatures of Latin letters, full-width characters, control characters, line ends and, unless the
/// process runs without globalization data, composed characters; then HTML entities, twice.
/// </summary>
internal static class TextRepair
{
    private const int MostRounds = 4;

    // Characters of Windows-1252 at 0x80 to 0x9f; bytes without one stand for themselves.
    private const string Windows1252 = "\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f"
        + "\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178";

    private static readonly string[] Ligatures = ["ff", "fi", "fl", "ffi", "ffl", "st", "st"];

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The text repaired, without entities, its white space single spaces, in lower case.</summary>
    public static string Clean(string text)
    {
        text = WebUtility.HtmlDecode(WebUtility.HtmlDecode(Repair(text)));
        return Lower(SingleSpaces(text));
    }

    private static string Repair(string text)
    {
        for (int round = 0; round < MostRounds && Misread(text) is { } meant; round++) text = meant;
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1])) result.Append(c).Append(text[++i]);
            else if (char.IsSurrogate(c)) result.Append('\ufffd');
            else if (c is '\r' or '\u2028' or '\u2029' or '\u0085') result.Append('\n');
            else if (c is >= '\u2018' and <= '\u201b' or '\u02bc') result.Append('\'');
            else if (c is >= '\u201c' and <= '\u201f') result.Append('"');
            else if (c is >= '\ufb00' and <= '\ufb06') result.Append(Ligatures[c - '\ufb00']);
            else if (c is >= '\uff01' and <= '\uff5e') result.Append((char)(c - '\uff01' + '!'));
            else if (c == '\u3000') result.Append(' ');
            else if (!IsControl(c)) result.Append(c);
        }
        return result.ToString().Normalize(NormalizationForm.FormC);
    }

    /// <summary>What a text was before its UTF-8 was read as Windows-1252; null where it cannot have been.</summary>
    private static string? Misread(string text)
    {
        byte[] bytes = new byte[text.Length];
        bool any = false;
        for (int i = 0; i < text.Length; i++)
        {
            int special = Windows1252.IndexOf(text[i], StringComparison.Ordinal);
            if (special < 0 && text[i] > 255) return null;
            bytes[i] = special >= 0 ? (byte)(0x80 + special) : (byte)text[i];
            any |= bytes[i] >= 0x80;
        }
        if (!any) return null;
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    private static bool IsControl(char c) => c is < ' ' and not ('\t' or '\n' or '\f') or '\u007f' or '\ufeff'
        or (>= '\u206a' and <= '\u206f') or (>= '\ufff9' and <= '\ufffc');

    private static string SingleSpaces(string text)
    {
        var result = new StringBuilder(text.Length);
        foreach (char c in text)
        {
            if (!char.IsWhiteSpace(c)) result.Append(c);
            else if (result.Length > 0 && result[^1] != ' ') result.Append(' ');
        }
        return result.ToString().TrimEnd(' ');
    }

    /// <summary>Lower case by the full rules of Unicode: those that the simple ones lack are two.</summary>
    private static string Lower(string text)
    {
        var result = new StringBuilder(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\u0130') result.Append("i\u0307");
            // A sigma that ends a word has a form of its own.
            else if (text[i] == '\u03a3' && i > 0 && char.IsLetter(text[i - 1]) && (i + 1 == text.Length || !char.IsLetter(text[i + 1]))) result.Append('\u03c2');
            else if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length) result.Append(text.Substring(i++, 2).ToLowerInvariant());
            else result.Append(char.ToLowerInvariant(text[i]));
        }
        return result.ToString();
    }
}
