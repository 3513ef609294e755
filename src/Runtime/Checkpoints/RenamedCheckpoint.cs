namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Some tensors of another checkpoint, under other names; closing it closes nothing.</summary>
internal sealed class RenamedCheckpoint : CheckpointFile
{
    private readonly CheckpointFile _file;
    private readonly List<TensorInfo> _tensors = [];

    public RenamedCheckpoint(CheckpointFile file, Func<string, string?> rename) : base(file.Name)
    {
        _file = file;
        Dictionary<string, string> origins = new(StringComparer.Ordinal);
        foreach (TensorInfo tensor in file.Tensors)
        {
            if (rename(tensor.Name) is not { } name)
                continue;
            if (!origins.TryAdd(name, tensor.Name))
                throw new CheckpointException($"{file.Name}: {CheckpointException.Quote(origins[name])} and {CheckpointException.Quote(tensor.Name)} both stand for {CheckpointException.Quote(name)}");
            _tensors.Add(tensor.Renamed(name));
        }
    }

    public override string Container => _file.Container;

    public override IReadOnlyDictionary<string, string> Metadata => _file.Metadata;

    public override IReadOnlyList<TensorInfo> Tensors => _tensors;

    protected override void Dispose(bool disposing)
    {
    }
}
