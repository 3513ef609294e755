namespace NativeDiffusion.Kernels;

/// <summary>
/// A dense tensor inside a <see cref="DeviceMemory"/>. Elements are float32; index tensors (labels, sample numbers) hold the bit patterns of
/// int32 values. The default value is "no tensor" and stands for an optional argument that was left out.
/// </summary>
public readonly struct TensorView
{
    /// <summary>A view of <paramref name="shape"/> that starts <paramref name="offset"/> elements into <paramref name="memory"/>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The memory ends before the view does.</exception>
    /// <exception cref="ObjectDisposedException">The memory was disposed.</exception>
    public TensorView(DeviceMemory memory, long offset, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(memory);
        memory.Guard.ThrowIfEnded();
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (shape.Count > memory.Length - offset)
            throw new ArgumentOutOfRangeException(nameof(shape), $"{shape} from element {offset} needs {shape.Count} elements, and the memory has {memory.Length} in all.");
        (Memory, Offset, Shape) = (memory, offset, shape);
    }

    /// <summary>A part of a view, or the same elements: memory never becomes shorter, so there is nothing to check.</summary>
    private TensorView(TensorView whole, long start, Shape shape) =>
        (Memory, Offset, Shape) = (whole.Required, whole.Offset + start, shape);

    /// <summary>The block that holds the elements; null for the empty view.</summary>
    public DeviceMemory? Memory { get; }

    /// <summary>Index of the first element inside <see cref="Memory"/>.</summary>
    public long Offset { get; }

    /// <summary>Extents, outermost first.</summary>
    public Shape Shape { get; }

    /// <summary>True for an optional tensor that was left out.</summary>
    public bool IsEmpty => Memory is null;

    /// <summary>Number of elements.</summary>
    public long Count => Shape.Count;

    /// <summary>Batch rows <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> - 1.</summary>
    public TensorView Rows(int start, int count)
    {
        if (start < 0 || count < 1 || start > Shape.Batch - count)
            throw new ArgumentOutOfRangeException(nameof(start), $"{count} rows from row {start} of {Shape}.");
        return new(this, start * Shape.RowCount, Shape.WithBatch(count));
    }

    /// <summary>The same elements seen with another shape of the same count.</summary>
    public TensorView Reshape(Shape shape) => shape.Count == Count
        ? new(this, 0, shape)
        : throw new ArgumentException($"Cannot see {Shape} ({Count} elements) as {shape} ({shape.Count} elements).");

    /// <summary>The elements of a view on a CPU. A span does not keep its memory alive, so it is for callers that hold the guard, and not public.</summary>
    /// <exception cref="InvalidOperationException">The view lies on another device, or is too long for a span.</exception>
    internal unsafe Span<float> Span
    {
        get
        {
            if (Memory is not CpuMemory || Count > int.MaxValue)
                throw new InvalidOperationException($"{Shape} in {Memory?.GetType().Name ?? "no memory"} is not visible as a span; use Download.");
            Memory.Guard.ThrowIfEnded();
            return new(Pointer, (int)Count);
        }
    }

    /// <summary>CPU address of the first element, or null for the empty view.</summary>
    internal unsafe float* Pointer => Memory is null ? null : ((CpuMemory)Memory).Pointer + Offset;

    /// <summary>Uses the memory beside other readers.</summary>
    internal UseGuard.Use BeginRead() => Required.Guard.Read();

    /// <summary>Uses the memory alone.</summary>
    internal UseGuard.Use BeginWrite() => Required.Guard.Write(nested: true);

    /// <summary>Refuses more elements than the view has.</summary>
    internal void CheckUpload(int length)
    {
        if (length > Count) throw new ArgumentException($"{length} elements do not fit into {Shape} of {Count}.");
    }

    /// <summary>Refuses a destination that is shorter than the view.</summary>
    internal void CheckDownload(int length)
    {
        if (length < Count) throw new ArgumentException($"{Shape} of {Count} elements does not fit into {length}.");
    }

    private DeviceMemory Required => Memory ?? throw new InvalidOperationException("A tensor that was left out has no elements.");
}
