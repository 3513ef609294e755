namespace ILGPU.Runtime;

public readonly struct ArrayView1D<T, TStride> : IArrayView<T>
    where T : unmanaged
    where TStride : struct, IStride1D
{
    internal ArrayView1D(ArrayView<T> baseView)
    {
        BaseView = baseView;
    }

    public ArrayView<T> BaseView { get; }

    MemoryBuffer IArrayView.Buffer => ((IArrayView)BaseView).Buffer;

    int IArrayView.ElementSize => ArrayView<T>.ElementSize;

    public bool IsValid => BaseView.IsValid;

    public long Length => BaseView.Length;

    public long LengthInBytes => BaseView.LengthInBytes;
}
