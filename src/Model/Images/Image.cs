namespace NativeDiffusion.Model.Images;

/// <summary>One picture of 8-bit grey or RGB pixels, rows from the top, channels innermost.</summary>
public sealed class Image
{
    /// <summary>Largest width and height.</summary>
    public const int MaxSide = 16384;

    /// <summary>Largest number of pixels, 64 Mi.</summary>
    public const int MaxPixels = 64 << 20;

    /// <summary>Creates a picture over <paramref name="pixels"/>, which is not copied.</summary>
    /// <param name="width">Columns, 1 to <see cref="MaxSide"/>.</param>
    /// <param name="height">Rows, 1 to <see cref="MaxSide"/>.</param>
    /// <param name="channels">1 (grey) or 3 (RGB).</param>
    /// <param name="pixels">Bytes <c>[height, width, channels]</c>.</param>
    /// <exception cref="ArgumentException">A size is out of range or the number of bytes does not fit it.</exception>
    public Image(int width, int height, int channels, byte[] pixels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        if (width is < 1 or > MaxSide || height is < 1 or > MaxSide || (long)width * height > MaxPixels)
            throw new ArgumentException($"An image of {width} x {height} is outside 1 x 1 to {MaxSide} x {MaxSide} and {MaxPixels} pixels.");
        if (channels is not (1 or 3))
            throw new ArgumentException($"An image has 1 or 3 channels, not {channels}.");
        if (pixels.Length != width * height * channels)
            throw new ArgumentException(
                $"An image of {width} x {height} x {channels} has {width * height * channels} bytes, but {pixels.Length} were given.");
        Width = width;
        Height = height;
        Channels = channels;
        Pixels = pixels;
    }

    /// <summary>Columns.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>1 for grey, 3 for RGB.</summary>
    public int Channels { get; }

    /// <summary>The bytes, <c>[Height, Width, Channels]</c>.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }

    /// <summary>The same picture with three equal channels; itself if it already is RGB.</summary>
    public Image ToRgb()
    {
        if (Channels == 3)
            return this;
        ReadOnlySpan<byte> grey = Pixels.Span;
        byte[] rgb = new byte[grey.Length * 3];
        for (int i = 0; i < grey.Length; i++)
            rgb.AsSpan(i * 3, 3).Fill(grey[i]);
        return new Image(Width, Height, 3, rgb);
    }
}
