namespace NativeDiffusion.Kernels;

/// <summary>
/// A dense tensor inside a <see cref="DeviceMemory"/>. Elements are float32; index tensors (labels, sample numbers) hold the bit patterns of
/// int32 values. The default value is "no tensor" and stands for an optional argument that was left out.
/// </summary>
public readonly struct TensorView
{
    /// <summary>A view of <paramref name="shape"/> that starts <paramref name="offset"/> elements into <paramref name="memory"/>.</summary>
    public TensorView(DeviceMemory memory, long offset, Shape shape)
    {
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        (Memory, Offset, Shape) = (memory, offset, shape);
    }

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
        return new(Memory!, Offset + start * Shape.RowCount, Shape.WithBatch(count));
    }

    /// <summary>The same elements seen with another shape of the same count.</summary>
    public TensorView Reshape(Shape shape) => shape.Count == Count
        ? new(Memory!, Offset, shape)
        : throw new ArgumentException($"Cannot see {Shape} ({Count} elements) as {shape} ({shape.Count} elements).");

    /// <summary>The elements, for host code on a CPU backend.</summary>
    /// <exception cref="InvalidOperationException">The view lies on another device, beyond its memory (freed, perhaps), or is too long for a span.</exception>
    public unsafe Span<float> Span => Memory is CpuMemory && Count <= int.MaxValue
        ? Offset + Count <= Memory.Length
            ? new(Pointer, (int)Count)
            : throw new InvalidOperationException($"{Shape} at {Offset} lies beyond the {Memory.Length} elements of its memory; was it freed?")
        : throw new InvalidOperationException($"{Shape} in {Memory?.GetType().Name ?? "no memory"} is not visible as a span; use Download.");

    /// <summary>CPU address of the first element, or null for the empty view.</summary>
    internal unsafe float* Pointer => Memory is null ? null : ((CpuMemory)Memory).Pointer + Offset;
}
