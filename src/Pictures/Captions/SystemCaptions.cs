using NativeDiffusion.Model.Images;
using SkiaSharp;

namespace NativeDiffusion.Pictures;

/// <summary>
/// Captions by the fonts of the machine: the one that the system matches to the letters, or on Linux, where SkiaSharp comes without a font manager, the first file of the usual
/// folders that has all of them. Letters of writing systems that join them are drawn one by one.
/// </summary>
public sealed class SystemCaptions : ICaptionFont
{
    // Capitals are this part of a font's size, about.
    private const float CapitalsOfSize = 0.7f;

    private static ReadOnlySpan<string> Folders => new[] { "/usr/share/fonts", "/usr/local/share/fonts", "/system/fonts" };

    /// <inheritdoc/>
    public Image? Draw(string text, int height)
    {
        using var face = FaceFor(text);
        if (face is null) return null;
        using var font = new SKFont(face, height / CapitalsOfSize) { Edging = SKFontEdging.Antialias, Subpixel = false };
        using var paint = new SKPaint { Color = SKColors.White, IsAntialias = true };
        font.MeasureText(text, out var bounds, paint);
        int width = (int)Math.Ceiling(bounds.Width) + 2, rows = (int)Math.Ceiling(bounds.Height) + 2;
        if (width > Image.MaxSide || rows > Image.MaxSide) return null;
        var info = new SKImageInfo(width, rows, SKColorType.Gray8, SKAlphaType.Opaque);
        using var surface = SKSurface.Create(info);
        surface.Canvas.Clear(SKColors.Black);
        surface.Canvas.DrawText(text, 1 - bounds.Left, 1 - bounds.Top, SKTextAlign.Left, font, paint);
        using var pixmap = surface.PeekPixels();
        byte[] pixels = new byte[width * rows];
        for (int y = 0; y < rows; y++) pixmap.GetPixelSpan().Slice(y * pixmap.RowBytes, width).CopyTo(pixels.AsSpan(y * width));
        return new Image(width, rows, 1, pixels);
    }

    private static SKTypeface? FaceFor(string text)
    {
        int rarest = text.EnumerateRunes().Max(rune => rune.Value);
        var matched = SKFontManager.Default.MatchCharacter(rarest);
        if (matched is not null && Has(matched, text)) return matched;
        matched?.Dispose();
        foreach (string path in Files())
        {
            var face = SKTypeface.FromFile(path);
            if (face is not null && Has(face, text)) return face;
            face?.Dispose();
        }
        return null;
    }

    private static bool Has(SKTypeface face, string text)
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
