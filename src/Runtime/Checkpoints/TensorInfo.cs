namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>One tensor of a checkpoint file, without its data.</summary>
public sealed class TensorInfo
{
    internal TensorInfo(string name, DType dtype, long[] shape, long byteLength, TensorStorage storage, long begin)
    {
        Name = name;
        DType = dtype;
        Shape = shape;
        ByteLength = byteLength;
        Storage = storage;
        Begin = begin;
    }

    /// <summary>The key in the file.</summary>
    public string Name { get; }

    /// <summary>How the elements are stored.</summary>
    public DType DType { get; }

    /// <summary>Extents, outermost first, in the file's own layout; empty for a scalar.</summary>
    public long[] Shape { get; }

    /// <summary>Size of the stored data in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>Number of elements: the product of <see cref="Shape"/>.</summary>
    public long ElementCount => ByteLength / ElementConversion.SizeOf(DType);

    /// <summary>Where the elements lie.</summary>
    internal TensorStorage Storage { get; }

    /// <summary>First byte inside <see cref="Storage"/>.</summary>
    internal long Begin { get; }

    /// <summary>Check sum of the stored data, where the file says it.</summary>
    internal uint? Sum { get; init; }

    internal TensorInfo Renamed(string name) => new(name, DType, Shape, ByteLength, Storage, Begin) { Sum = Sum };

    internal TensorInfo WithSum(uint sum) => new(Name, DType, Shape, ByteLength, Storage, Begin) { Sum = sum };

    /// <summary>Name, dtype and shape, as in <c>'a.b' F32 [10,9]</c>.</summary>
    public override string ToString() => $"{CheckpointException.Quote(Name)} {DType} {ShapeText(Shape)}";

    internal static string ShapeText(ReadOnlySpan<long> shape) => $"[{string.Join(',', shape.ToArray())}]";
}
