using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Pictures;

/// <summary>Brings a picture to the size that a network takes.</summary>
internal static class PictureFit
{
    // Of a panorama, more would only fill the pack.
    private const int MostTimesLonger = 4;

    /// <summary>The shorter side resized to <paramref name="size"/>, the longer in proportion; of that the middle square, or for a crop that is drawn later all of it.</summary>
    public static Image Apply(Image image, int size, PictureCrop crop)
    {
        image = Middle(image, MostTimesLonger);
        int shorter = Math.Min(image.Width, image.Height);
        var resized = ByteResize.Cubic(image, (int)((long)size * image.Width / shorter), (int)((long)size * image.Height / shorter));
        return crop == PictureCrop.Centre ? Middle(resized, 1) : resized;
    }

    /// <summary>The middle square of the resized picture; null leaves it as it is.</summary>
    public static Image ToSquare(Image image, int? size) => size is { } side ? Apply(image, side, PictureCrop.Centre) : image;

    private static Image Middle(Image image, int timesLonger)
    {
        int most = Math.Min(image.Width, image.Height) * timesLonger, width = Math.Min(image.Width, most), height = Math.Min(image.Height, most);
        if ((width, height) == (image.Width, image.Height)) return image;
        // Half a pixel goes to the even side, as image libraries round.
        int left = (int)Math.Round((image.Width - width) / 2.0), top = (int)Math.Round((image.Height - height) / 2.0), row = width * image.Channels;
        byte[] pixels = new byte[height * row];
        for (int y = 0; y < height; y++) image.Pixels.Span.Slice(((top + y) * image.Width + left) * image.Channels, row).CopyTo(pixels.AsSpan(y * row));
        return new Image(width, height, image.Channels, pixels);
    }
}
