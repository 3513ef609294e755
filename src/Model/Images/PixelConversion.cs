namespace NativeDiffusion.Model.Images;

/// <summary>Converts between bytes (0 to 255) and the model's range (-1 to 1).</summary>
public static class PixelConversion
{
    /// <summary>What rounds: the inverse of <see cref="ToFloat"/>.</summary>
    internal const double Rounding = 128;

    /// <summary>What truncates.</summary>
    internal const double Truncation = 127.5;

    /// <summary>Writes <c>x = u8 / 127.5 - 1</c> for every byte.</summary>
    /// <exception cref="ArgumentException">The two lengths differ.</exception>
    public static void ToFloat(ReadOnlySpan<byte> source, Span<float> destination)
    {
        CheckLengths(source.Length, destination.Length);
        for (int i = 0; i < source.Length; i++)
            destination[i] = source[i] / 127.5f - 1f;
    }

    /// <summary>
    /// Writes <c>clamp(127.5 x + offset, 0, 255)</c>, truncated, for every value. NaN becomes 0. With 128, which rounds, as in EDM and DiT, a byte
    /// that went through <see cref="ToFloat"/> comes back; with 127.5, the conversion of the published ADM sampler, 63 of 256 are smaller by one.
    /// </summary>
    /// <exception cref="ArgumentException">The two lengths differ.</exception>
    public static void ToByte(ReadOnlySpan<float> source, Span<byte> destination, double offset = Rounding)
    {
        CheckLengths(source.Length, destination.Length);
        for (int i = 0; i < source.Length; i++)
        {
            float value = offset == Truncation ? (source[i] + 1f) * 127.5f : source[i] * 127.5f + (float)offset;
            destination[i] = value >= 255f ? (byte)255 : value > 0f ? (byte)value : (byte)0;
        }
    }

    /// <summary>The centre <paramref name="dataSize"/> x <paramref name="dataSize"/> pixels of a square model image as a picture.</summary>
    /// <param name="pixels">[size, size, channels] in [-1, 1].</param>
    /// <param name="size">Height and width of the model's images.</param>
    /// <param name="channels">1 or 3.</param>
    /// <param name="dataSize">Height and width to keep, at most <paramref name="size"/>: the data may have been padded.</param>
    /// <param name="offset">See <see cref="ToByte"/>.</param>
    /// <exception cref="NotFiniteNumberException">A value is NaN or infinite.</exception>
    public static Image ToImage(ReadOnlySpan<float> pixels, int size, int channels, int dataSize, double offset = Rounding)
    {
        CheckLengths(pixels.Length, size * size * channels);
        if (FiniteNumbers.FirstOther(pixels) is >= 0 and var at)
            throw new NotFiniteNumberException($"Value {at} of an image is {pixels[at]}, which is no colour: a weight of the model is not finite, or guidance or network overflowed.", pixels[at]);
        byte[] bytes = new byte[dataSize * dataSize * channels];
        int border = (size - dataSize) / 2, row = dataSize * channels;
        for (int y = 0; y < dataSize; y++)
            ToByte(pixels.Slice(((y + border) * size + border) * channels, row), bytes.AsSpan(y * row, row), offset);
        return new Image(dataSize, dataSize, channels, bytes);
    }

    private static void CheckLengths(int source, int destination)
    {
        if (source != destination)
            throw new ArgumentException($"The source has {source} values and the destination {destination}; they must agree.");
    }
}
