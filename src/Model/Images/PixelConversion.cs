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

    private static void CheckLengths(int source, int destination)
    {
        if (source != destination)
            throw new ArgumentException($"The source has {source} values and the destination {destination}; they must agree.");
    }
}
