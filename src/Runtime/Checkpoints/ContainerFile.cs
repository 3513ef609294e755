namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>A checkpoint whose tensors were found when it was opened, and what it keeps open.</summary>
internal sealed class ContainerFile(
    string name, string container, IReadOnlyList<TensorInfo> tensors, IReadOnlyDictionary<string, string> metadata, IReadOnlyList<IDisposable> open)
    : CheckpointFile(name)
{
    public override string Container => container;

    public override IReadOnlyDictionary<string, string> Metadata => metadata;

    public override IReadOnlyList<TensorInfo> Tensors => tensors;

    protected override void Dispose(bool disposing)
    {
        foreach (IDisposable file in open)
            file.Dispose();
    }
}
