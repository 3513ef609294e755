using System.Globalization;
using System.Text;

namespace NativeDiffusion.Pictures;

/// <summary>
/// Names of folders for classes. Class names come from files, so they may hold anything: what is not safe on every file system is written as in an
/// address, so that different names stay different and can be read back.
/// </summary>
internal static class ClassFolderName
{
    // Of a file name, which has room for 255 bytes.
    private const int Longest = 120;

    /// <summary>The folders of classes; a name that is too long, or differs from another only in case, is followed by ~ and its number.</summary>
    public static IReadOnlyList<string> Of(IReadOnlyList<(string Name, int Label)> classes)
    {
        string[] safe = [.. classes.Select(c => Escape(c.Name))];
        return [.. safe.Select((name, i) =>
            name.Length > Longest || safe.Count(other => other.Equals(name, StringComparison.OrdinalIgnoreCase)) > 1
                ? $"{name[..Math.Min(name.Length, Longest)]}~{classes[i].Label}"
                : name)];
    }

    /// <summary>The class of a folder: what was escaped is read back, and a name that nobody escaped stays as it is.</summary>
    public static string Read(string folder)
    {
        string name = Uri.UnescapeDataString(folder);
        return Escape(name) == folder ? name : folder;
    }

    private static string Escape(string name)
    {
        var text = new StringBuilder();
        foreach (Rune rune in name.EnumerateRunes())
            if (IsSafe(rune) && (text.Length > 0 || rune.Value != '.')) text.Append(rune);
            else
                foreach (byte b in Encoding.UTF8.GetBytes(rune.ToString())) text.Append(CultureInfo.InvariantCulture, $"%{b:X2}");
        return text.ToString();
    }

    // File systems differ in how they see other letters, in composed and decomposed form for example.
    private static bool IsSafe(Rune rune) => rune.IsAscii && (Rune.IsLetterOrDigit(rune) || rune.Value is '-' or '_' or '.' or ' ' or '+' or ',' or '(' or ')');
}
