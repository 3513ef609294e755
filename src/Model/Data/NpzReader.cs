using System.IO.Compression;

namespace NativeDiffusion.Model.Data;

/// <summary>Reads <c>.npz</c> files, zip archives of NumPy arrays, stored or deflated.</summary>
public static class NpzReader
{
    private const long MaxDeflateRatio = 1032;

    /// <summary>Reads every array, by name without the ending <c>.npy</c>; other entries are ignored.</summary>
    /// <exception cref="InvalidDataException">
    /// The archive or an array is damaged, has an unsupported type or order, or the arrays exceed 2 GB together; the message names
    /// file and entry.
    /// </exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static IReadOnlyDictionary<string, NpyArray> Read(string path)
    {
        using FileStream file = File.OpenRead(path);
        string entryName = "";
        try
        {
            using ZipArchive archive = new(file, ZipArchiveMode.Read);
            Dictionary<string, NpyArray> arrays = [];
            // Deflate cannot expand more; the entries share the file's bytes, unless a hostile directory makes them overlap.
            long budget = Math.Min(file.Length * MaxDeflateRatio, Array.MaxLength);
            foreach (ZipArchiveEntry entry in archive.Entries)
            {
                if (!entry.FullName.EndsWith(".npy", StringComparison.Ordinal))
                    continue;
                entryName = entry.FullName;
                using Stream content = entry.Open();
                NpyArray array = NpyFormat.Read(content, budget);
                budget -= array.Data.Length;
                if (!arrays.TryAdd(entryName[..^4], array))
                    throw new InvalidDataException("the entry occurs twice");
            }

            return arrays;
        }
        catch (Exception exception) when (exception is IOException or InvalidDataException or ArgumentException or NotSupportedException)
        {
            string where = entryName.Length == 0 ? "" : $" in '{entryName}'";
            throw new InvalidDataException($"'{path}' is not a readable .npz file{where}: {exception.Message.TrimEnd('.')}.", exception);
        }
    }

    /// <summary>
    /// Reads images as <see cref="NpzWriter.Write(string, ImageDataset)"/> and the published samplers save them: <c>arr_0</c> u8
    /// NHWC, and <c>arr_1</c> integer labels if there are any. The classes are the numbers 0 to the largest label; without labels
    /// every image is of class 0.
    /// </summary>
    /// <param name="path">File to read.</param>
    /// <param name="labelled">Whether the file has labels.</param>
    /// <exception cref="InvalidDataException">The file is damaged or the arrays have other types or shapes; the message names the file.</exception>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    public static ImageDataset ReadImages(string path, out bool labelled)
    {
        IReadOnlyDictionary<string, NpyArray> arrays = Read(path);
        if (!arrays.TryGetValue("arr_0", out NpyArray? images))
            throw new InvalidDataException($"'{path}' has no array 'arr_0' with the images; it has: {string.Join(", ", arrays.Keys)}.");
        if (images.Type != NpyType.UInt8 || images.Shape.Count != 4 || images.Shape[3] is not (1 or 3) || images.Count == 0)
            throw new InvalidDataException(
                $"'{path}': 'arr_0' is {images.Type} of shape ({string.Join(", ", images.Shape)}); images are UInt8 of shape (N, H, W, 1 or 3).");

        int[] labels = new int[images.Shape[0]];
        labelled = arrays.TryGetValue("arr_1", out NpyArray? saved);
        if (labelled)
            labels = Labels(path, saved!, labels.Length);
        string[] names = Enumerable.Range(0, labels.Max() + 1).Select(index => index.ToString()).ToArray();
        return new ImageDataset(images.Shape[1], images.Shape[2], images.Shape[3], images.Data, labels, names);
    }

    private static int[] Labels(string path, NpyArray saved, int count)
    {
        if (saved.Type is NpyType.Float32 or NpyType.Float64 || saved.Shape.Count != 1 || saved.Count != count)
            throw new InvalidDataException(
                $"'{path}': 'arr_1' is {saved.Type} of shape ({string.Join(", ", saved.Shape)}); labels are {count} integers of shape ({count}).");
        const int mostClasses = 1 << 20;
        return Array.ConvertAll(saved.ToInt64(), label => label is >= 0 and < mostClasses
            ? (int)label
            : throw new InvalidDataException($"'{path}': 'arr_1' has the label {label}; labels are 0 to {mostClasses - 1}."));
    }
}
