using System.Runtime.CompilerServices;

namespace ILGPU.Runtime;

public readonly struct ArrayView1D<T, TStride> : IArrayView<T>
    where T : unmanaged
    where TStride : struct, IStride1D
{
    public static readonly int ElementSize = ArrayView<T>.ElementSize;

    public static readonly ArrayView1D<T, TStride> Empty = new(ArrayView<T>.Empty, LongIndex1D.Zero, default);

    public ArrayView1D(ArrayView<T> baseView, LongIndex1D extent, TStride stride)
    {
        BaseView = baseView;
        Extent = extent;
        Stride = stride;
    }

    public ArrayView<T> BaseView { get; }

    MemoryBuffer IArrayView.Buffer => ((IArrayView)BaseView).Buffer;

    int IArrayView.ElementSize => ElementSize;

    public LongIndex1D Extent { get; }

    public Index1D IntExtent => Extent.ToIntIndex();

    public TStride Stride { get; }

    public bool IsValid => BaseView.IsValid;

    public long Length => Stride.ComputeBufferLength(Extent);

    public int IntLength => checked((int)Length);

    public long LengthInBytes => Length * ElementSize;

    public ref T this[
        Index1D index,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref BaseView[Stride.ComputeElementIndex(index), expression, file, line];
    }

    public ref T this[
        LongIndex1D index,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => ref BaseView[Stride.ComputeElementIndex(index), expression, file, line];
    }

    public ArrayView1D<T, TStride> SubView(
        Index1D index,
        Index1D extent,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0) =>
        SubView((LongIndex1D)index, extent, expression, file, line);

    public ArrayView1D<T, TStride> SubView(
        LongIndex1D index,
        LongIndex1D extent,
        [CallerArgumentExpression(nameof(index))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0) =>
        new(
            BaseView.SubView(
                Stride.ComputeElementIndex(index), Stride.ComputeBufferLength(extent), expression, file, line),
            extent,
            Stride);

    public ArrayView<T> AsContiguous() => BaseView;

    public override string ToString() => BaseView.ToString();
}
