namespace NativeDiffusion.Model.Images;

/// <summary>Lays pictures out in rows and columns, with optional captions.</summary>
public static class ImageGrid
{
    /// <summary>Composes one picture, filled row by row from the top left; missing cells at the end stay empty.</summary>
    /// <param name="images">At least one; all of one size. One RGB picture makes the grid RGB.</param>
    /// <param name="columns">Pictures in a row.</param>
    /// <param name="gap">Pixels between neighbours and around the whole.</param>
    /// <param name="background">Grey level behind the pictures; captions are white on dark levels and black on light ones.</param>
    /// <param name="scale">Each pixel becomes a square of this many pixels.</param>
    /// <param name="columnHeads">Captions above the columns, one per column, or null for none.</param>
    /// <param name="rowHeads">Captions left of the rows, one per row, or null for none.</param>
    /// <param name="font">Draws captions that the built-in font has no letters for; null writes those without accents, and other characters by their numbers.</param>
    /// <exception cref="ArgumentException">
    /// There is no picture, sizes or numbers of captions disagree, an option is out of range, or the grid exceeds the limits of
    /// <see cref="Image"/>.
    /// </exception>
    public static Image Compose(
        IReadOnlyList<Image> images, int columns, int gap = 2, byte background = 255, int scale = 1,
        IReadOnlyList<string>? columnHeads = null, IReadOnlyList<string>? rowHeads = null, ICaptionFont? font = null)
    {
        ArgumentNullException.ThrowIfNull(images);
        if (images.Count == 0)
            throw new ArgumentException("A grid needs at least one image.");
        if (columns < 1 || gap < 0 || scale < 1)
            throw new ArgumentException($"A grid needs columns >= 1, gap >= 0 and scale >= 1, not {columns}, {gap} and {scale}.");
        Image first = images[0];
        for (int i = 1; i < images.Count; i++)
            if ((images[i].Width, images[i].Height) != (first.Width, first.Height))
                throw new ArgumentException(
                    $"Image {i} is {images[i].Width} x {images[i].Height} but image 0 is {first.Width} x {first.Height}; a grid needs one size.");
        int rows = (images.Count + columns - 1) / columns;
        CheckHeads(columnHeads, columns, "column");
        CheckHeads(rowHeads, rows, "row");

        long cellWidth = (long)first.Width * scale, cellHeight = (long)first.Height * scale;
        int fontScale = (int)Math.Clamp(Math.Min(cellWidth, cellHeight) / 32, 1, 4);
        Caption[]? above = Captions(columnHeads, fontScale, font), beside = Captions(rowHeads, fontScale, font);
        long columnWidth = Math.Max(cellWidth, above?.Max(caption => caption.Width) ?? 0);
        long rowHeight = Math.Max(cellHeight, beside?.Max(caption => caption.Height) ?? 0);
        int margin = gap + 2 * fontScale;
        long left = beside is null ? gap : beside.Max(caption => caption.Width) + 2L * margin;
        long top = above is null ? gap : above.Max(caption => caption.Height) + 2L * margin;
        long width = left + columns * (columnWidth + gap), height = top + rows * (rowHeight + gap);
        if (width > Image.MaxSide || height > Image.MaxSide || width * height > Image.MaxPixels)
            throw new ArgumentException(
                $"A grid of {rows} x {columns} images would have {width} x {height} pixels; choose a smaller scale or fewer images.");

        Canvas canvas = new((int)width, (int)height, images.Any(image => image.Channels == 3) ? 3 : 1, background);
        for (int i = 0; i < images.Count; i++)
            canvas.Draw(
                images[i], (int)(left + i % columns * (columnWidth + gap) + (columnWidth - cellWidth) / 2),
                (int)(top + i / columns * (rowHeight + gap) + (rowHeight - cellHeight) / 2), scale);
        byte ink = background < 128 ? (byte)255 : (byte)0;
        for (int c = 0; above is not null && c < columns; c++)
            canvas.Write(above[c], (int)(left + c * (columnWidth + gap) + (columnWidth - above[c].Width) / 2), margin, ink);
        for (int r = 0; beside is not null && r < rows; r++)
            canvas.Write(beside[r], (int)(left - margin - beside[r].Width), (int)(top + r * (rowHeight + gap) + (rowHeight - beside[r].Height) / 2), ink);
        return canvas.ToImage();
    }

    private static void CheckHeads(IReadOnlyList<string>? heads, int count, string what)
    {
        if (heads is not null && heads.Count != count)
            throw new ArgumentException($"The grid has {count} {what}(s) but {heads.Count} {what} captions were given.");
    }

    private static Caption[]? Captions(IReadOnlyList<string>? heads, int fontScale, ICaptionFont? font) => heads?.Select(head => new Caption(head, fontScale, font)).ToArray();

    private sealed class Canvas
    {
        private readonly int _width, _height, _channels;
        private readonly byte[] _pixels;

        internal Canvas(int width, int height, int channels, byte background)
        {
            (_width, _height, _channels) = (width, height, channels);
            _pixels = new byte[width * height * channels];
            _pixels.AsSpan().Fill(background);
        }

        internal Image ToImage() => new(_width, _height, _channels, _pixels);

        internal void Draw(Image image, int left, int top, int scale)
        {
            ReadOnlySpan<byte> source = (_channels == 3 ? image.ToRgb() : image).Pixels.Span;
            for (int y = 0; y < image.Height * scale; y++)
                for (int x = 0; x < image.Width * scale; x++)
                    source.Slice((y / scale * image.Width + x / scale) * _channels, _channels)
                        .CopyTo(_pixels.AsSpan(((top + y) * _width + left + x) * _channels));
        }

        internal void Write(Caption caption, int left, int top, byte ink) =>
            caption.Draw(left, top, (x, y, covered) =>
            {
                if (x < 0 || y < 0 || x >= _width || y >= _height) return;
                foreach (ref byte value in _pixels.AsSpan((y * _width + x) * _channels, _channels)) value = (byte)(value + (ink - value) * covered / 255);
            });
    }
}
