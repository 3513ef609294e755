using SkiaSharp;

namespace NativeDiffusion.Pictures;

/// <summary>The font files of the machine, read where they lie: SkiaSharp's build for Linux without dependencies has no font manager, and says so by one family without a name.</summary>
internal static class MachineFonts
{
    private static ReadOnlySpan<string> Folders => new[] { "/usr/share/fonts", "/usr/local/share/fonts", "/system/fonts" };

    /// <summary>The first font that has all letters of a text, with its file; the caller disposes of it. Null where there is none.</summary>
    public static (SKTypeface Face, string Path)? FaceFor(string text)
    {
        foreach (string path in Files())
        {
            var face = SKTypeface.FromFile(path);
            if (face is not null && Has(face, text)) return (face, path);
            face?.Dispose();
        }
        return null;
    }

    /// <summary>Whether a font has all letters of a text.</summary>
    public static bool Has(SKTypeface face, string text)
    {
        using var font = new SKFont(face);
        return font.ContainsGlyphs(text);
    }

    // Upright faces first: a plain name is shorter than that of its bold or slanted form.
    private static IEnumerable<string> Files()
    {
        string own = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "share", "fonts");
        List<string> files = [];
        foreach (string folder in (string[])[.. Folders, own])
            if (Directory.Exists(folder))
                files.AddRange(Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true })
                    .Where(file => Path.GetExtension(file).ToLowerInvariant() is ".ttf" or ".otf" or ".ttc"));
        return files.OrderBy(file => Path.GetFileName(file).Length).ThenBy(file => file, StringComparer.Ordinal);
    }
}
