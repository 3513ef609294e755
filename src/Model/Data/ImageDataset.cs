using System.Runtime.InteropServices;
using System.Security.Cryptography;
using NativeDiffusion.Model.Images;

namespace NativeDiffusion.Model.Data;

/// <summary>Labelled images of one size, held in memory as bytes. Immutable, so it may be shared between threads.</summary>
public sealed class ImageDataset : ITrainingImages
{
    /// <summary>Creates a dataset over the given memory, which is not copied and must not change afterwards.</summary>
    /// <param name="height">Rows of every image.</param>
    /// <param name="width">Columns of every image.</param>
    /// <param name="channels">Channels of every image (1 grey, 3 RGB).</param>
    /// <param name="pixels">Bytes <c>[N, height, width, channels]</c>.</param>
    /// <param name="labels">Class index per image, <c>[N]</c>, each below the number of names.</param>
    /// <param name="classNames">One name per class; its length is the number of classes.</param>
    /// <exception cref="ArgumentException">Sizes disagree, a size is not positive, or a label has no class.</exception>
    public ImageDataset(
        int height, int width, int channels, ReadOnlyMemory<byte> pixels, ReadOnlyMemory<int> labels, IReadOnlyList<string> classNames)
    {
        ArgumentNullException.ThrowIfNull(classNames);
        if (height <= 0 || width <= 0 || channels <= 0)
            throw new ArgumentException($"Image size must be positive, but is {height} x {width} x {channels}.");
        long expected = (long)height * width * channels * labels.Length;
        if (pixels.Length != expected)
            throw new ArgumentException(
                $"{labels.Length} images of {height} x {width} x {channels} need {expected} bytes, but {pixels.Length} were given.");
        ReadOnlySpan<int> values = labels.Span;
        for (int i = 0; i < values.Length; i++)
            if ((uint)values[i] >= (uint)classNames.Count)
                throw new ArgumentException($"Image {i} has label {values[i]}, but there are {classNames.Count} classes.");

        Height = height;
        Width = width;
        Channels = channels;
        Pixels = pixels;
        Labels = labels;
        ClassNames = [.. classNames];
    }

    /// <summary>Number of images.</summary>
    public int Count => Labels.Length;

    /// <summary>Rows of every image.</summary>
    public int Height { get; }

    /// <summary>Columns of every image.</summary>
    public int Width { get; }

    /// <summary>Channels of every image.</summary>
    public int Channels { get; }

    /// <summary>Number of classes.</summary>
    public int ClassCount => ClassNames.Count;

    /// <summary>All pixels, <c>[N, H, W, C]</c>, 0 to 255.</summary>
    public ReadOnlyMemory<byte> Pixels { get; }

    /// <summary>Class index per image, <c>[N]</c>.</summary>
    public ReadOnlyMemory<int> Labels { get; }

    /// <summary>One name per class.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>Number of values in one image: height x width x channels.</summary>
    public int RowLength => Height * Width * Channels;

    /// <summary>The bytes of one image, <c>[H, W, C]</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no image <paramref name="index"/>.</exception>
    public ReadOnlySpan<byte> Row(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
        return Pixels.Span.Slice(index * RowLength, RowLength);
    }

    /// <summary>Writes image <paramref name="index"/> in the model's range, <c>x = u8 / 127.5 - 1</c>.</summary>
    /// <param name="index">Image, 0 to <see cref="Count"/> - 1.</param>
    /// <param name="destination">Exactly <see cref="RowLength"/> values, <c>[H, W, C]</c>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no image <paramref name="index"/>.</exception>
    /// <exception cref="ArgumentException">The destination has another length.</exception>
    public void CopyRow(int index, Span<float> destination) => PixelConversion.ToFloat(Row(index), destination);

    void ITrainingImages.CopyRow(int index, double across, double down, Span<float> destination) => CopyRow(index, destination);

    ITrainingImages ITrainingImages.PadTo(int size) => PadTo(size);

    string ITrainingImages.Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Pixels.Span);
        hash.AppendData(MemoryMarshal.AsBytes(Labels.Span));
        return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
    }

    /// <summary>Image <paramref name="index"/> as a picture; needs 1 or 3 channels.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no image <paramref name="index"/>.</exception>
    public Image ToImage(int index) => new(Width, Height, Channels, Row(index).ToArray());

    /// <summary>The same pictures of 1 or 3 channels: greys as RGB, or RGB of which every pixel is grey as greys; null where that would lose colours.</summary>
    internal ImageDataset? WithChannels(int channels)
    {
        if (channels == Channels) return this;
        var pixels = Pixels.Span;
        byte[] result = new byte[(long)pixels.Length / Channels * channels];
        switch (Channels, channels)
        {
            case (1, 3):
                for (int i = 0; i < pixels.Length; i++) result.AsSpan(3 * i, 3).Fill(pixels[i]);
                break;
            case (3, 1):
                for (int i = 0; i < result.Length; i++)
                {
                    result[i] = pixels[3 * i];
                    if (pixels[3 * i + 1] != result[i] || pixels[3 * i + 2] != result[i]) return null;
                }
                break;
            default:
                return null;
        }
        return new ImageDataset(Height, Width, channels, result, Labels, ClassNames);
    }

    /// <summary>
    /// Centres every image in a square of <paramref name="size"/> pixels filled with 0; an odd remainder goes to the bottom and the
    /// right. 28 to 32 adds two pixels on each side.
    /// </summary>
    /// <exception cref="ArgumentException">The images are larger than <paramref name="size"/>, or the result is too large.</exception>
    public ImageDataset PadTo(int size)
    {
        if (size < Height || size < Width)
            throw new ArgumentException($"Images of {Height} x {Width} cannot be padded to {size} x {size}: the target is smaller.");
        if (size == Height && size == Width)
            return this;
        long bytes = (long)Count * size * size * Channels;
        if (bytes > Array.MaxLength)
            throw new ArgumentException($"{Count} images padded to {size} x {size} x {Channels} need {bytes} bytes, more than one array holds.");

        byte[] padded = new byte[bytes];
        int top = (size - Height) / 2, left = (size - Width) / 2, line = Width * Channels;
        for (int n = 0; n < Count; n++)
        {
            ReadOnlySpan<byte> source = Row(n);
            for (int y = 0; y < Height; y++)
                source.Slice(y * line, line).CopyTo(padded.AsSpan(((n * size + top + y) * size + left) * Channels));
        }

        return new ImageDataset(size, size, Channels, padded, Labels, ClassNames);
    }

    /// <summary>The images at <paramref name="indices"/>, in that order, with all class names kept.</summary>
    /// <exception cref="ArgumentOutOfRangeException">An index names no image.</exception>
    public ImageDataset Subset(ReadOnlySpan<int> indices)
    {
        byte[] pixels = new byte[checked(indices.Length * RowLength)];
        int[] labels = new int[indices.Length];
        for (int i = 0; i < indices.Length; i++)
        {
            Row(indices[i]).CopyTo(pixels.AsSpan(i * RowLength));
            labels[i] = Labels.Span[indices[i]];
        }

        return new ImageDataset(Height, Width, Channels, pixels, labels, ClassNames);
    }

    /// <summary>The <paramref name="count"/> images from <paramref name="start"/> on, sharing this dataset's memory.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The range does not lie inside the dataset.</exception>
    public ImageDataset Subset(int start, int count) => new(
        Height, Width, Channels, Pixels.Slice(checked(start * RowLength), checked(count * RowLength)), Labels.Slice(start, count), ClassNames);
}
