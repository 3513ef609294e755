using NativeDiffusion.Model.Images;
using SkiaSharp;

namespace NativeDiffusion.Pictures;

/// <summary>Turns decoded RGBA pixels into a picture: upright, over white, grey or RGB.</summary>
internal static class PicturePixels
{
    /// <summary>Whether every pixel is grey.</summary>
    public static bool AreGreys(ReadOnlySpan<byte> rgba)
    {
        for (int i = 0; i < rgba.Length; i += 4)
            if (rgba[i] != rgba[i + 1] || rgba[i] != rgba[i + 2]) return false;
        return true;
    }

    /// <summary>The picture as it is looked at.</summary>
    /// <param name="rgba">[height, width, 4] as stored, not premultiplied.</param>
    /// <param name="width">Columns as stored.</param>
    /// <param name="height">Rows as stored.</param>
    /// <param name="origin">Where the first stored row and column are looked at.</param>
    /// <param name="grey">Whether one channel is enough.</param>
    public static unsafe Image Upright(byte* rgba, int width, int height, SKEncodedOrigin origin, bool grey)
    {
        int right = width - 1, below = (height - 1) * width;
        // Where the upright picture's first pixel is stored, and how far it is from there to its right and lower neighbours.
        var (first, across, down) = origin switch
        {
            SKEncodedOrigin.TopRight => (right, -1, width),
            SKEncodedOrigin.BottomRight => (below + right, -1, -width),
            SKEncodedOrigin.BottomLeft => (below, 1, -width),
            SKEncodedOrigin.LeftTop => (0, width, 1),
            SKEncodedOrigin.RightTop => (below, -width, 1),
            SKEncodedOrigin.RightBottom => (below + right, -width, -1),
            SKEncodedOrigin.LeftBottom => (right, width, -1),
            _ => (0, 1, width),
        };
        bool turned = origin >= SKEncodedOrigin.LeftTop;
        int columns = turned ? height : width, rows = turned ? width : height, channels = grey ? 1 : 3;
        byte[] pixels = GC.AllocateUninitializedArray<byte>(columns * rows * channels);
        int at = 0;
        for (int y = 0; y < rows; y++)
        {
            byte* pixel = rgba + 4L * (first + (long)y * down);
            for (int x = 0; x < columns; x++, pixel += 4L * across)
            {
                int alpha = pixel[3];
                for (int c = 0; c < channels; c++) pixels[at++] = alpha == 255 ? pixel[c] : OverWhite(pixel[c], alpha);
            }
        }
        return new Image(columns, rows, channels, pixels);
    }

    private static byte OverWhite(int value, int alpha) => (byte)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}
