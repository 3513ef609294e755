using System.IO.Compression;
using NativeDiffusion.Model.Images;
using NativeDiffusion.Runtime;
using NativeDiffusion.Runtime.Checkpoints;

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
        Write(path, arrays.Select(a => (a.Name, (Action<Stream>)(content => NpyFormat.Write(content, a.Array)))));
    }

    /// <summary>Writes pictures of one size, as many as there are: arrays of more than 2 GiB do not fit a <see cref="NpyArray"/>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="images">The pictures.</param>
    /// <param name="labels">Their labels, or null for none.</param>
    internal static void Write(string path, IReadOnlyList<Image> images, long[]? labels)
    {
        var first = images[0];
        List<(string, Action<Stream>)> arrays =
        [
            ("arr_0", content =>
            {
                content.Write(NpyHeader.Write(DType.U8, [images.Count, first.Height, first.Width, first.Channels]));
                foreach (var image in images) content.Write(image.Pixels.Span);
            }),
        ];
        if (labels is not null) arrays.Add(("arr_1", content => NpyFormat.Write(content, NpyArray.From(labels, labels.Length))));
        Write(path, arrays);
    }

    private static void Write(string path, IEnumerable<(string Name, Action<Stream> Write)> arrays) => AtomicFile.Write(path, stream =>
    {
        using ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);
        foreach (var (name, write) in arrays)
        {
            ZipArchiveEntry entry = archive.CreateEntry(name + ".npy", CompressionLevel.Optimal);
            entry.LastWriteTime = Timestamp;
            using Stream content = entry.Open();
            write(content);
        }
    });

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
