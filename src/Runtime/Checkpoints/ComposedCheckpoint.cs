using System.Runtime.InteropServices;

namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Another checkpoint as a library other than its own would have written it: tensors renamed, joined or computed. Closing it closes nothing.</summary>
internal sealed class ComposedCheckpoint(CheckpointFile file, IReadOnlyList<TensorInfo> tensors) : CheckpointFile(file.Name)
{
    /// <summary>The file itself.</summary>
    public CheckpointFile Source => file;

    public override string Container => file.Container;

    public override IReadOnlyDictionary<string, string> Metadata => file.Metadata;

    public override IReadOnlyList<TensorInfo> Tensors => tensors;

    /// <summary>Looked at before the tensors are read: tensors that have to be equal, each list for itself.</summary>
    public IReadOnlyList<IReadOnlyList<string>> EqualTensors { get; init; } = [];

    /// <summary>Tensors below each other: their rows one after the other.</summary>
    /// <exception cref="CheckpointException">Their types or rows differ.</exception>
    public static TensorInfo Join(string name, CheckpointFile file, params IReadOnlyList<TensorInfo> parts)
    {
        var first = parts[0];
        if (parts.FirstOrDefault(part => part.DType != first.DType || part.Shape.Length != first.Shape.Length || first.Shape.Length == 0 || !part.Shape.AsSpan(1).SequenceEqual(first.Shape.AsSpan(1))) is { } other)
            throw new CheckpointException($"{file.Name}: {first} and {other} should have one type and one number of columns, for they belong together.");
        return new TensorInfo(name, first.DType, [parts.Sum(part => part.Shape[0]), .. first.Shape[1..]], parts.Sum(part => part.ByteLength), new JoinedStorage(parts), 0);
    }

    /// <summary>Numbers that the file does not have.</summary>
    public static TensorInfo Compute(string name, long[] shape, Func<float[]> values)
    {
        long bytes = sizeof(float) * shape.Aggregate(1L, (product, extent) => checked(product * extent));
        return new TensorInfo(name, DType.F32, shape, bytes, new ComputedStorage(bytes, () => MemoryMarshal.AsBytes(values().AsSpan()).ToArray()), 0);
    }

    /// <summary>Refuses a file whose <see cref="EqualTensors"/> are not.</summary>
    /// <exception cref="CheckpointException">Two differ; the message names them.</exception>
    public void RequireEqual()
    {
        foreach (var names in EqualTensors)
            foreach (string name in names.Skip(1))
                if (!AreEqual(file.Find(names[0]), file.Find(name)))
                    throw new CheckpointException($"{Name}: {file.Find(names[0])} and {file.Find(name)} differ. What embeds time and class has to be one for all blocks, as in the published transformers; a network that was trained on with one for each block is not supported.");
    }

    protected override void Dispose(bool disposing)
    {
    }

    private bool AreEqual(TensorInfo one, TensorInfo other)
    {
        if (one.DType != other.DType || !one.Shape.AsSpan().SequenceEqual(other.Shape)) return false;
        byte[] left = new byte[(int)Math.Min(one.ByteLength, 1 << 16)], right = new byte[left.Length];
        using TensorReader a = new(Name, one), b = new(Name, other);
        for (long at = 0; at < one.ByteLength; at += left.Length)
        {
            int count = (int)Math.Min(left.Length, one.ByteLength - at);
            a.ReadBytes(left.AsSpan(0, count));
            b.ReadBytes(right.AsSpan(0, count));
            if (!left.AsSpan(0, count).SequenceEqual(right.AsSpan(0, count))) return false;
        }
        return true;
    }
}
