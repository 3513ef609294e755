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
        if (matched is not null && MachineFonts.Has(matched, text)) return matched;
        matched?.Dispose();
        return MachineFonts.FaceFor(text)?.Face;
    }
}
