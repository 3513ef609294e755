using ILGPU.Runtime;

namespace ILGPU;

public interface IArrayView
{
    MemoryBuffer Buffer { get; }

    bool IsValid { get; }

    long Length { get; }

    int ElementSize { get; }

    long LengthInBytes { get; }
}

public interface IContiguousArrayView : IArrayView
{
    long IndexInBytes { get; }
}

public interface IArrayView<T> : IArrayView
    where T : unmanaged
{
}

public interface IContiguousArrayView<T> : IArrayView<T>, IContiguousArrayView
    where T : unmanaged
{
}
