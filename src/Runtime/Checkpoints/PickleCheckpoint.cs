namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>
/// Files that begin with a pickle: PyTorch's old format, and plain pickles such as EDM's, in which each storage is a byte string in PyTorch's
/// old format.
/// </summary>
internal static class PickleCheckpoint
{
    public static ContainerFile Open(string file, ByteSource source)
    {
        PickleInput input = new(file, source, 0, source.Length);
        PickleMachine machine = new(file, input, source.Length);
        object? content = machine.Run();
        bool legacy = TorchLegacy.IsMagic(content);
        Func<object?, TorchStorage?> storages;
        if (legacy)
        {
            TorchLegacy old = TorchLegacy.Read(file, source, input, machine, source.Length);
            content = old.Content;
            storages = old.FindStorage;
        }
        else
        {
            storages = new EmbeddedStorages(file, source).Find;
        }
        List<TensorInfo> tensors = new TorchTree(file, new TorchTensors(file, storages, legacy ? null : source), source.Length).Find(content);
        Dictionary<string, string> metadata = TorchMetadata.Read(content);
        if (tensors.Count == 0 && metadata.Count == 0 && !legacy)
            throw new CheckpointException($"{file}: this pickle holds no tensors that are known, but {Describe(content)}; PyTorch's tensors and NumPy's arrays are read");
        return new ContainerFile(file, legacy ? "PyTorch legacy" : "pickle", tensors, metadata, [source]);
    }

    private static string Describe(object? content) => content switch
    {
        PickleRecord { Callable.Length: > 0 } record => $"a {CheckpointException.Quote(record.Callable)}",
        PickleDict { Items: [(_, PickleRecord { Callable.Length: > 0 } first), ..] items } => $"a dictionary of {items.Count}, the first a {CheckpointException.Quote(first.Callable)}",
        PickleDict dictionary => $"a dictionary of {dictionary.Items.Count}",
        PickleList list => $"a list of {list.Items.Count}",
        object?[] tuple => $"a tuple of {tuple.Length}",
        _ => "a single value",
    };

    /// <summary>Storages as <c>torch.storage._load_from_bytes(bytes)</c>; the bytes stay in the file.</summary>
    private sealed class EmbeddedStorages(string file, ByteSource source)
    {
        private readonly Dictionary<PickleBytes, TorchStorage?> _known = [];

        public TorchStorage? Find(object? value)
        {
            if (value is not PickleRecord { Callable: "torch.storage._load_from_bytes", Arguments: [PickleBytes bytes] })
                return null;
            if (!_known.TryGetValue(bytes, out TorchStorage? storage))
            {
                TorchLegacy saved = TorchLegacy.Read(file, source, bytes.Position, bytes.Position + bytes.Length);
                _known[bytes] = storage = saved.FindStorage(saved.Content);
            }
            return storage;
        }
    }
}
