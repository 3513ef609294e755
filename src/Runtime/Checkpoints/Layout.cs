namespace NativeDiffusion.Runtime.Checkpoints;

/// <summary>Extents, strides and offset of a tensor inside a storage, in elements, known to lie inside it.</summary>
internal sealed class Layout
{
    private Layout(long[] shape, long[] strides, long offset, long count, long span) =>
        (Shape, Strides, Offset, Count, Span) = (shape, strides, offset, count, span);

    public long[] Shape { get; }

    public long[] Strides { get; }

    public long Offset { get; }

    /// <summary>Number of elements.</summary>
    public long Count { get; }

    /// <summary>Elements from the first to the last one in the storage, both included; 0 for an empty tensor.</summary>
    public long Span { get; }

    /// <summary>Checks that every element lies inside a storage of <paramref name="capacity"/> elements; null if not. Nothing overflows.</summary>
    public static Layout? Check(long[] shape, long[] strides, long offset, long capacity)
    {
        if (offset < 0 || offset > capacity)
            return null;
        if (shape.Contains(0))
            return new Layout(shape, strides, offset, 0, 0);
        Int128 count = 1, last = 0;
        for (int i = 0; i < shape.Length; i++)
        {
            // Both factors are below 2^63, and what passed the check before stays below, so 128 bits hold every step.
            count *= shape[i];
            last += (Int128)(shape[i] - 1) * strides[i];
            if (count > long.MaxValue / 8 || offset + last >= capacity)
                return null;
        }
        return offset < capacity ? new Layout(shape, strides, offset, (long)count, (long)last + 1) : null;
    }

    /// <summary>The same, in a storage that has this many elements more before its first.</summary>
    public Layout After(long first) => new(Shape, Strides, Offset + first, Count, Span);

    /// <summary>The tensor; one whose elements do not lie row by row is gathered while it is read.</summary>
    public TensorInfo Describe(string name, DType type, TensorStorage storage)
    {
        int size = ElementConversion.SizeOf(type);
        return IsRowMajor
            ? new TensorInfo(name, type, Shape, Count * size, storage, Offset * size)
            : new TensorInfo(name, type, Shape, Count * size, new StridedStorage(storage, this, size), 0);
    }

    private bool IsRowMajor
    {
        get
        {
            long expected = 1;
            for (int i = Shape.Length - 1; i >= 0; i--)
            {
                if (Shape[i] == 1) continue;
                if (Strides[i] != expected) return Count == 0;
                expected *= Shape[i];
            }
            return true;
        }
    }
}
