using System.Buffers.Binary;
using System.IO.Compression;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Data;

/// <summary>
/// Reads image and label files in the IDX format of MNIST (see <c>data/README.md</c>), plain or packed with gzip, which is recognised
/// by its first bytes and not by the file name.
/// </summary>
public static class IdxFile
{
    // Deflate cannot expand by more than 1032:1, so a packed file bounds what its header may claim.
    private const long MaxDeflateRatio = 1032;

    private const int MaxSide = 16384;

    /// <summary>Loads a pair of files; the classes are the numbers 0 to the largest label, or have the names that are given.</summary>
    /// <param name="imagesPath">Bytes in three dimensions: count, rows, columns.</param>
    /// <param name="labelsPath">Bytes in one dimension: count.</param>
    /// <param name="classNames">A name for each label from 0 on; null for their numbers.</param>
    /// <returns>Grey images <c>[N, H, W, 1]</c>.</returns>
    /// <exception cref="InvalidDataException">
    /// A file is not of that kind, is truncated, has bytes to spare, or the two counts differ; the message names the file.
    /// </exception>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    public static ImageDataset Load(string imagesPath, string labelsPath, IReadOnlyList<string>? classNames = null)
    {
        (int[] imageSizes, byte[] pixels) = Read(imagesPath, dimensions: 3, "images");
        (int[] labelSizes, byte[] labels) = Read(labelsPath, dimensions: 1, "labels");
        if (imageSizes[0] != labelSizes[0])
            throw new InvalidDataException(
                $"'{imagesPath}' holds {imageSizes[0]} images but '{labelsPath}' holds {labelSizes[0]} labels; give files that belong together.");

        int[] classes = Array.ConvertAll(labels, label => (int)label);
        int largest = classes.Max();
        if (classNames is not null && classNames.Count <= largest)
            throw new InvalidDataException($"'{labelsPath}' has labels up to {largest}, and {classNames.Count} class names were given; give {largest + 1}.");
        return new ImageDataset(imageSizes[1], imageSizes[2], 1, pixels, classes, classNames ?? [.. Enumerable.Range(0, largest + 1).Select(index => $"{index}")]);
    }

    /// <summary>Loads a file of images without labels, as one class.</summary>
    /// <param name="imagesPath">Bytes in three dimensions: count, rows, columns.</param>
    /// <returns>Grey images <c>[N, H, W, 1]</c>.</returns>
    /// <exception cref="InvalidDataException">The file is not of that kind, is truncated, or has bytes to spare; the message names it.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static ImageDataset LoadUnlabelled(string imagesPath)
    {
        (int[] sizes, byte[] pixels) = Read(imagesPath, dimensions: 3, "images");
        return new ImageDataset(sizes[1], sizes[2], 1, pixels, new int[sizes[0]], ["image"]);
    }

    private static (int[] Sizes, byte[] Data) Read(string path, int dimensions, string what)
    {
        using FileStream file = InputFile.Open(path);
        Span<byte> magic = stackalloc byte[2];
        bool packed = file.ReadAtLeast(magic, 2, throwOnEndOfStream: false) == 2 && magic[0] == 0x1f && magic[1] == 0x8b;
        file.Position = 0;
        try
        {
            using Stream stream = packed ? new GZipStream(file, CompressionMode.Decompress) : file;
            return Read(stream, path, dimensions, what, packed ? file.Length * MaxDeflateRatio : file.Length);
        }
        catch (InvalidDataException exception) when (!exception.Message.Contains(path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"'{path}' is not a readable gzip file: {exception.Message}", exception);
        }
    }

    private static (int[] Sizes, byte[] Data) Read(Stream stream, string path, int dimensions, string what, long mostBytes)
    {
        byte[] header = new byte[4 + 4 * dimensions];
        int got = stream.ReadAtLeast(header, header.Length, throwOnEndOfStream: false);
        if (got < header.Length)
            throw new InvalidDataException($"'{path}' ends after {got} bytes, inside the {header.Length}-byte IDX header of {what}.");
        uint magic = BinaryPrimitives.ReadUInt32BigEndian(header);
        if (magic != 0x0800u + dimensions)
            throw new InvalidDataException(
                $"'{path}' starts with 0x{magic:x8}; IDX {what} of unsigned bytes in {dimensions} dimension(s) start with 0x{0x0800 + dimensions:x8}.");

        int[] sizes = new int[dimensions];
        long bytes = 1;
        for (int d = 0; d < dimensions; d++)
        {
            uint size = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(4 + 4 * d));
            if (size == 0 || size > (d == 0 ? (uint)Array.MaxLength : MaxSide))
                throw new InvalidDataException($"'{path}' declares size {size} in dimension {d}; it must be 1 to {(d == 0 ? Array.MaxLength : MaxSide)}.");
            sizes[d] = (int)size;
            bytes *= size;
        }

        string shape = string.Join(" x ", sizes);
        if (bytes > mostBytes - header.Length || bytes > Array.MaxLength)
            throw new InvalidDataException(
                $"'{path}' declares {shape} {what}, {bytes} bytes, more than the file can hold. It is truncated or not an IDX file.");
        byte[] data = new byte[bytes];
        got = stream.ReadAtLeast(data, data.Length, throwOnEndOfStream: false);
        if (got < data.Length)
            throw new InvalidDataException($"'{path}' is truncated: it declares {shape} {what}, {bytes} bytes, but ends after {got}.");
        if (stream.ReadByte() >= 0)
            throw new InvalidDataException($"'{path}' goes on after the {shape} {what} that it declares. It is damaged or not an IDX file.");
        return (sizes, data);
    }
}
