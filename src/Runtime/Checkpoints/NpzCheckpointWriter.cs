using System.IO.Compression;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Writes checkpoints as NumPy's <c>.npz</c>, stored without compression; metadata is an array of bytes, <c>__metadata__</c>.</summary>
public static class NpzCheckpointWriter
{
    private static readonly DateTimeOffset Timestamp = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes a file in one step (see <see cref="AtomicFile"/>), tensor after tensor.</summary>
    /// <param name="path">File to create or replace.</param>
    /// <param name="tensors">The tensors; names differ.</param>
    /// <param name="metadata">Free text; left out when null or empty.</param>
    /// <exception cref="IOException">The file cannot be written; an old file of that name is unchanged.</exception>
    /// <exception cref="ArgumentException">
    /// Two tensors have one name, or one that is no name inside an archive (absolute, or through <c>..</c>), or one is BF16, which NumPy does not have.
    /// </exception>
    public static void Write(string path, IEnumerable<TensorEntry> tensors, IEnumerable<KeyValuePair<string, string>>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        List<TensorEntry> entries = [.. tensors];
        if (metadata?.Any() == true)
            entries.Add(JsonText.Entry(NumpyCheckpoint.MetadataName, metadata));
        HashSet<string> names = new(StringComparer.Ordinal);
        foreach (TensorEntry entry in entries)
        {
            if (!names.Add(entry.Name))
                throw new ArgumentException($"The tensor name '{entry.Name}' is given twice or is reserved.", nameof(tensors));
            if (Leaves(entry.Name))
                throw new ArgumentException($"The tensor name '{entry.Name}' would leave the folder that an archive is unpacked to, or is no file name; convert to .safetensors, which has no file names.", nameof(tensors));
            if (NpyHeader.Write(entry.DType, entry.Shape) is null)
                throw new ArgumentException($"Tensor '{entry.Name}' is {entry.DType}, which NumPy does not have; convert it to F32.", nameof(tensors));
        }
        AtomicFile.Write(path, stream =>
        {
            using ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);
            foreach (TensorEntry entry in entries)
            {
                ZipArchiveEntry file = archive.CreateEntry(entry.Name + ".npy", CompressionLevel.NoCompression);
                file.LastWriteTime = Timestamp;
                using Stream content = file.Open();
                content.Write(NpyHeader.Write(entry.DType, entry.Shape));
                entry.WriteChecked(content);
            }
        });
    }

    // Names become paths where an archive is unpacked, on any system.
    private static bool Leaves(string name) =>
        name.Any(char.IsControl) || name.Length > 1 && name[1] == ':' || name.Split('/', '\\').Any(part => part is "" or "." or "..");
}
