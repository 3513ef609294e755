namespace ILGPU;

public interface IStride<TIndex>
    where TIndex : struct, IGenericIndex<TIndex>
{
    TIndex StrideExtent { get; }
}

public interface IStride<TIndex, TLongIndex> : IStride<TIndex>
    where TIndex : struct, IIntIndex<TIndex, TLongIndex>
    where TLongIndex : struct, ILongIndex<TLongIndex, TIndex>
{
    int ComputeElementIndex(TIndex index);

    long ComputeElementIndex(TLongIndex index);

    int ComputeBufferLength(TIndex extent);

    long ComputeBufferLength(TLongIndex extent);
}

public interface IStride1D : IStride<Index1D, LongIndex1D>
{
    int XStride { get; }
}

public static partial class Stride1D
{
    public readonly struct Dense : IStride1D
    {
        public Index1D StrideExtent => Index1D.One;

        public int XStride => 1;

        public int ComputeElementIndex(Index1D index) => index.X;

        public long ComputeElementIndex(LongIndex1D index) => index.X;

        public int ComputeBufferLength(Index1D extent) => extent.X;

        public long ComputeBufferLength(LongIndex1D extent) => extent.X;
    }
}
