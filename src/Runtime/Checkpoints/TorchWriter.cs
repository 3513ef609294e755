using System.IO.Compression;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Writes PyTorch's zip format: a state dict (an ordered dictionary of tensors) that <c>torch.load</c> reads, also with <c>weights_only=True</c>.
/// Metadata is an attribute <c>metadata</c> of that dictionary, so that its keys stay those of the tensors.
/// </summary>
public static class TorchWriter
{
    private const string Root = "archive/";
    private static readonly DateTimeOffset Timestamp = new(1980, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>Writes a file in one step (see <see cref="AtomicFile"/>), tensor after tensor.</summary>
    /// <param name="path">File to create or replace.</param>
    /// <param name="tensors">The tensors; names differ.</param>
    /// <param name="metadata">Free text; left out when null or empty.</param>
    /// <exception cref="IOException">The file cannot be written; an old file of that name is unchanged.</exception>
    /// <exception cref="ArgumentException">Two tensors have one name, or one is U16, U32 or U64, for which PyTorch has no storage.</exception>
    public static void Write(string path, IEnumerable<TensorEntry> tensors, IEnumerable<KeyValuePair<string, string>>? metadata = null)
    {
        ArgumentNullException.ThrowIfNull(tensors);
        TensorEntry[] entries = [.. tensors];
        using MemoryStream pickle = new();
        Describe(pickle, entries, metadata ?? []);
        AtomicFile.Write(path, stream =>
        {
            using ZipArchive archive = new(stream, ZipArchiveMode.Create, leaveOpen: true);
            Add(archive, "data.pkl", content => content.Write(pickle.GetBuffer().AsSpan(0, (int)pickle.Length)));
            Add(archive, "byteorder", content => content.Write("little"u8));
            for (int i = 0; i < entries.Length; i++)
            {
                TensorEntry entry = entries[i];
                Add(archive, $"data/{i}", content => entry.WriteChecked(content));
            }
            Add(archive, "version", content => content.Write("3\n"u8));
        });
    }

    private static void Add(ZipArchive archive, string name, Action<Stream> write)
    {
        ZipArchiveEntry entry = archive.CreateEntry(Root + name, CompressionLevel.NoCompression);
        entry.LastWriteTime = Timestamp;
        using Stream content = entry.Open();
        write(content);
    }

    private static void Describe(Stream stream, TensorEntry[] entries, IEnumerable<KeyValuePair<string, string>> metadata)
    {
        PickleWriter pickle = new(stream);
        HashSet<string> names = new(StringComparer.Ordinal);
        pickle.Begin();
        EmptyOrderedDict(pickle);
        pickle.Mark();
        for (int i = 0; i < entries.Length; i++)
        {
            if (!names.Add(entries[i].Name))
                throw new ArgumentException($"The tensor name '{entries[i].Name}' is given twice.");
            pickle.Text(entries[i].Name);
            Describe(pickle, entries[i], i);
        }
        pickle.SetItems();
        if (metadata.Any())
        {
            pickle.EmptyDict();
            pickle.Mark();
            pickle.Text(TorchMetadata.Attribute);
            pickle.EmptyDict();
            pickle.Mark();
            foreach ((string key, string value) in metadata)
            {
                pickle.Text(key);
                pickle.Text(value);
            }
            pickle.SetItems();
            pickle.SetItems();
            pickle.Build();
        }
        pickle.End();
    }

    private static void Describe(PickleWriter pickle, TensorEntry entry, int number)
    {
        string storage = TorchTypes.StorageOf(entry.DType)
            ?? throw new ArgumentException($"Tensor '{entry.Name}' is {entry.DType}, for which PyTorch has no storage.");
        long count = entry.ByteLength / TensorEntry.SizeOf(entry.DType);
        pickle.Global("torch._utils", "_rebuild_tensor_v2");
        pickle.Mark();
        pickle.Mark();
        pickle.SharedText("storage");
        pickle.Global("torch", storage);
        pickle.Text(number.ToString(System.Globalization.CultureInfo.InvariantCulture));
        pickle.SharedText("cpu");
        pickle.Number(count);
        pickle.Tuple();
        pickle.PersistentId();
        pickle.Number(0);
        pickle.Numbers(entry.Shape);
        long[] strides = new long[entry.Shape.Length];
        long step = 1;
        for (int i = strides.Length - 1; i >= 0; step *= Math.Max(1, entry.Shape[i--]))
            strides[i] = step;
        pickle.Numbers(strides);
        pickle.False();
        EmptyOrderedDict(pickle);
        pickle.Tuple();
        pickle.Reduce();
    }

    private static void EmptyOrderedDict(PickleWriter pickle)
    {
        pickle.Global("collections", "OrderedDict");
        pickle.EmptyTuple();
        pickle.Reduce();
    }
}
