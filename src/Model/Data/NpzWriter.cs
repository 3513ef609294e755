using System.IO.Compression;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Data;

/// <summary>Writes <c>.npz</c> files, zip archives of NumPy arrays, that <c>numpy.load</c> reads.</summary>
public static class NpzWriter
{
    // The earliest date that a zip archive can hold; a fixed one keeps the bytes the same from run to run.
    private static readonly DateTimeOffset Timestamp = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes the named arrays; the file replaces <paramref name="path"/> only when it is complete.</summary>
    /// <exception cref="IOException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, IReadOnlyList<(string Name, NpyArray Array)> arrays)
    {
        ArgumentNullException.ThrowIfNull(arrays);
        AtomicFile.Write(path, stream =>
        {
            using ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);
            foreach ((string name, NpyArray array) in arrays)
            {
                ZipArchiveEntry entry = archive.CreateEntry(name + ".npy", CompressionLevel.Optimal);
                entry.LastWriteTime = Timestamp;
                using Stream content = entry.Open();
                NpyFormat.Write(content, array);
            }
        });
    }

    /// <summary>Writes images in the layout of the published evaluators: <c>arr_0</c> u8 NHWC and <c>arr_1</c> i64 labels.</summary>
    /// <exception cref="IOException">The file cannot be written; the message names it.</exception>
    public static void Write(string path, ImageDataset images)
    {
        ArgumentNullException.ThrowIfNull(images);
        long[] labels = Array.ConvertAll(images.Labels.ToArray(), label => (long)label);
        Write(path,
        [
            ("arr_0", NpyArray.From(images.Pixels, images.Count, images.Height, images.Width, images.Channels)),
            ("arr_1", NpyArray.From(labels, images.Count)),
        ]);
    }
}
