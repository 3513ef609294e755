namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// PyTorch's zip archives, of <c>torch.save</c> since version 1.6 and of TorchScript: <c>root/data.pkl</c> describes the tensors, whose storages
/// are the files <c>root/data/0</c>, <c>root/data/1</c>, ... TorchScript's code and constants are not looked at.
/// </summary>
internal sealed class TorchZip
{
    private const int LongestByteOrder = 16;
    private const int LongestPickle = 1 << 28;

    // A compressed description is a few times smaller than what it says.
    private const int FreePickle = 16 << 20, MostInflation = 4;

    private readonly string _file;
    private readonly ZipDirectory _directory;
    private readonly string _root;
    private readonly bool _bigEndian;
    private readonly long _fileBytes;
    private readonly Dictionary<string, ZipEntry> _entries;
    private readonly Dictionary<(string Key, DType? Type), TensorStorage> _storages = [];
    private long _inflated;

    private TorchZip(string file, ZipDirectory directory, string root, long fileBytes)
    {
        (_file, _directory, _root, _fileBytes) = (file, directory, root, fileBytes);
        _entries = directory.Entries.ToDictionary(e => e.Name, StringComparer.Ordinal);
        _bigEndian = ReadByteOrder() == "big";
    }

    /// <summary>The folder that holds <c>data.pkl</c>, with its slash; null where the archive is none of PyTorch's.</summary>
    public static string? RootOf(ZipDirectory directory)
    {
        const string pickle = "data.pkl";
        ZipEntry? entry = directory.Entries.Find(e => e.Name.EndsWith(pickle, StringComparison.Ordinal) && e.Name.Length - pickle.Length == e.Name.IndexOf('/') + 1);
        return entry?.Name[..^pickle.Length];
    }

    public static ContainerFile Open(string file, ByteSource source, ZipDirectory directory, string root)
    {
        TorchZip zip = new(file, directory, root, source.Length);
        object? content = zip.ReadPickle();
        List<TensorInfo> tensors = new TorchTree(file, new TorchTensors(file, zip.FindStorage), source.Length).Find(content);
        bool script = zip._entries.ContainsKey(root + "constants.pkl");
        return new ContainerFile(file, script ? "TorchScript" : "PyTorch zip", tensors, TorchMetadata.Read(content), [source]);
    }

    private object? ReadPickle()
    {
        ZipEntry entry = _entries[_root + "data.pkl"];
        long longest = Math.Min(LongestPickle, FreePickle + MostInflation * _fileBytes);
        if (entry.Size > longest)
            throw new CheckpointException($"{_file}: its description of {entry.Size} bytes is longer than the {longest} of any checkpoint of {_fileBytes} bytes");
        byte[] bytes = new byte[entry.Size];
        using (Stream stream = _directory.Open(entry).Open(0))
            stream.ReadExactly(bytes);
        using StreamBytes memory = new(new MemoryStream(bytes), leaveOpen: false);
        return new PickleMachine(_file, new PickleInput(_file, memory, 0, bytes.Length), _fileBytes).Run();
    }

    private string ReadByteOrder()
    {
        if (!_entries.TryGetValue(_root + "byteorder", out ZipEntry? entry) || entry.Size > LongestByteOrder)
            return "little";
        byte[] bytes = new byte[entry.Size];
        using Stream stream = _directory.Open(entry).Open(0);
        stream.ReadExactly(bytes);
        return System.Text.Encoding.ASCII.GetString(bytes);
    }

    private TorchStorage? FindStorage(object? value)
    {
        if (value is not PicklePersistentId id || TorchStorageId.Parse(_file, id) is not { } storage)
            return null;
        string name = $"{_root}data/{storage.Key}";
        if (!_entries.TryGetValue(name, out ZipEntry? entry))
            throw new CheckpointException($"{_file}: there is no storage {CheckpointException.Quote(name)}, although a tensor lies in it");
        if (!_storages.TryGetValue((storage.Key, storage.Type), out TensorStorage? bytes))
        {
            bytes = new ZipStorage(_directory, entry);
            if (_bigEndian)
                bytes = new SwappedStorage(bytes, storage.Size);
            _storages.Add((storage.Key, storage.Type), bytes);
        }
        else if (entry.Deflated && (_inflated += entry.Size) > 64L << 20)
        {
            // Each tensor would inflate everything before it once more.
            throw new CheckpointException($"{_file}: storage {CheckpointException.Quote(name)} is compressed and shared by many tensors; save it without compression");
        }
        return storage.Of(_file, bytes);
    }
}

/// <summary>The content of a zip entry, whose own header is read when the content is.</summary>
internal sealed class ZipStorage(ZipDirectory directory, ZipEntry entry) : TensorStorage
{
    private TensorStorage? _content;

    public override long Length => entry.Size;

    public override bool ReadsAnywhere => !entry.Deflated;

    private TensorStorage Content => _content ??= directory.Open(entry);

    public override Stream Open(long begin) => Content.Open(begin);

    public override void Read(long position, Span<byte> destination) => Content.Read(position, destination);
}
