namespace NativeDiffusion.Model.Images;

/// <summary>Converts between bytes (0 to 255) and the model's range (-1 to 1).</summary>
public static class PixelConversion
{
    /// <summary>Writes <c>x = u8 / 127.5 - 1</c> for every byte.</summary>
    /// <exception cref="ArgumentException">The two lengths differ.</exception>
    public static void ToFloat(ReadOnlySpan<byte> source, Span<float> destination)
    {
        CheckLengths(source.Length, destination.Length);
        for (int i = 0; i < source.Length; i++)
            destination[i] = source[i] / 127.5f - 1f;
    }

    /// <summary>
    /// Writes <c>clamp((x + 1) * 127.5, 0, 255)</c>, truncated, for every value: the conversion of the published ADM sampler.
    /// Because it truncates, a byte that went through <see cref="ToFloat"/> may come back smaller by one. NaN becomes 0.
    /// </summary>
    /// <exception cref="ArgumentException">The two lengths differ.</exception>
    public static void ToByte(ReadOnlySpan<float> source, Span<byte> destination)
    {
        CheckLengths(source.Length, destination.Length);
        for (int i = 0; i < source.Length; i++)
        {
            float value = (source[i] + 1f) * 127.5f;
            destination[i] = value >= 255f ? (byte)255 : value > 0f ? (byte)value : (byte)0;
        }
    }

    /// <summary>The centre <paramref name="dataSize"/> x <paramref name="dataSize"/> pixels of a square model image as a picture.</summary>
    /// <param name="pixels">[size, size, channels] in [-1, 1].</param>
    /// <param name="size">Height and width of the model's images.</param>
    /// <param name="channels">1 or 3.</param>
    /// <param name="dataSize">Height and width to keep, at most <paramref name="size"/>: the data may have been padded.</param>
    public static Image ToImage(ReadOnlySpan<float> pixels, int size, int channels, int dataSize)
    {
        CheckLengths(pixels.Length, size * size * channels);
        byte[] bytes = new byte[dataSize * dataSize * channels];
        int border = (size - dataSize) / 2, row = dataSize * channels;
        for (int y = 0; y < dataSize; y++)
            ToByte(pixels.Slice(((y + border) * size + border) * channels, row), bytes.AsSpan(y * row, row));
        return new Image(dataSize, dataSize, channels, bytes);
    }

    private static void CheckLengths(int source, int destination)
    {
        if (source != destination)
            throw new ArgumentException($"The source has {source} values and the destination {destination}; they must agree.");
    }
}
