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
    /// <exception cref="ArgumentException">
    /// There is no picture, sizes or numbers of captions disagree, an option is out of range, or the grid exceeds the limits of
    /// <see cref="Image"/>.
    /// </exception>
    public static Image Compose(
        IReadOnlyList<Image> images, int columns, int gap = 2, byte background = 255, int scale = 1,
        IReadOnlyList<string>? columnHeads = null, IReadOnlyList<string>? rowHeads = null)
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
        long columnWidth = Math.Max(cellWidth, Widest(columnHeads, fontScale));
        long rowHeight = rowHeads is null ? cellHeight : Math.Max(cellHeight, BitmapFont.GlyphHeight * fontScale);
        int margin = gap + 2 * fontScale;
        long left = rowHeads is null ? gap : Widest(rowHeads, fontScale) + 2L * margin;
        long top = columnHeads is null ? gap : BitmapFont.GlyphHeight * fontScale + 2L * margin;
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
        for (int c = 0; columnHeads is not null && c < columns; c++)
            canvas.Write(
                columnHeads[c], (int)(left + c * (columnWidth + gap) + (columnWidth - BitmapFont.Width(columnHeads[c], fontScale)) / 2),
                margin, fontScale, ink);
        for (int r = 0; rowHeads is not null && r < rows; r++)
            canvas.Write(
                rowHeads[r], (int)(left - margin - BitmapFont.Width(rowHeads[r], fontScale)),
                (int)(top + r * (rowHeight + gap) + (rowHeight - BitmapFont.GlyphHeight * fontScale) / 2), fontScale, ink);
        return canvas.ToImage();
    }

    private static void CheckHeads(IReadOnlyList<string>? heads, int count, string what)
    {
        if (heads is not null && heads.Count != count)
            throw new ArgumentException($"The grid has {count} {what}(s) but {heads.Count} {what} captions were given.");
    }

    private static int Widest(IReadOnlyList<string>? heads, int fontScale) =>
        heads is null ? 0 : heads.Max(head => BitmapFont.Width(head, fontScale));

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

        internal void Write(string text, int left, int top, int scale, byte ink) =>
            BitmapFont.Draw(text, left, top, scale, (x, y) =>
            {
                for (int line = y; line < y + scale; line++)
                    _pixels.AsSpan((line * _width + x) * _channels, scale * _channels).Fill(ink);
            });
    }
}
