using System.Globalization;
using System.Text;

namespace NativeDiffusion.Cli;

/// <summary>
/// Texts of files on a terminal: what would act there instead of being seen (control characters, and those that turn the direction of writing) is shown by its number.
/// </summary>
internal static class PlainText
{
    /// <summary>The text; lines stay lines.</summary>
    public static string Of(string text)
    {
        if (!text.Any(Acts)) return text;
        var shown = new StringBuilder();
        foreach (char c in text)
            if (Acts(c)) shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
            else shown.Append(c);
        return shown.ToString();
    }

    /// <summary>The same, for Spectre's tables and bars, whose markup it does not become.</summary>
    public static string Markup(string text) => Spectre.Console.Markup.Escape(Of(text));

    private static bool Acts(char c) => (char.IsControl(c) && c is not ('\n' or '\t')) || c is (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069') or '\u200e' or '\u200f' or '\u061c';
}
