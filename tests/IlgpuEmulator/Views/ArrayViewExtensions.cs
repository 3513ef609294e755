using IlgpuEmulator;

namespace ILGPU.Runtime;

public static partial class ArrayViewExtensions
{
    public static void MemSetToZero<TView>(this TView view)
        where TView : IContiguousArrayView => MemSet(view, 0);

    public static void MemSetToZero<TView>(this TView view, AcceleratorStream stream)
        where TView : IContiguousArrayView => MemSet(view, 0);

    public static unsafe void MemSet<TView>(this TView view, byte value)
        where TView : IContiguousArrayView
    {
        if (view.LengthInBytes == 0)
            return;
        var memory = view.Buffer.Memory;
        Large.Fill(memory.At(view.IndexInBytes), view.LengthInBytes, value);
        memory.Define(view.IndexInBytes, view.LengthInBytes);
    }

    public static void MemSet<TView>(this TView view, AcceleratorStream stream, byte value)
        where TView : IContiguousArrayView => MemSet(view, value);

    public static void CopyTo<TView>(this TView source, in TView target)
        where TView : IContiguousArrayView => HostCopy.Between(source, target);

    public static void CopyTo<TView>(this TView source, AcceleratorStream stream, in TView target)
        where TView : IContiguousArrayView => HostCopy.Between(source, target);

    public static void CopyFrom<TView>(this TView target, in TView source)
        where TView : IContiguousArrayView => HostCopy.Between(source, target);

    public static void CopyFrom<TView>(this TView target, AcceleratorStream stream, in TView source)
        where TView : IContiguousArrayView => HostCopy.Between(source, target);

    public static void CopyToCPU<T, TView>(this TView source, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.ToHost(source, ref cpuData, length);

    public static void CopyToCPU<T, TView>(this TView source, AcceleratorStream stream, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.ToHost(source, ref cpuData, length);

    public static void CopyFromCPU<T, TView>(this TView target, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.FromHost(target, ref cpuData, length);

    public static void CopyFromCPU<T, TView>(this TView target, AcceleratorStream stream, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.FromHost(target, ref cpuData, length);

    public static void CopyToCPUUnsafeAsync<T, TView>(this TView source, AcceleratorStream stream, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.ToHost(source, ref cpuData, length);

    public static void CopyFromCPUUnsafeAsync<T, TView>(this TView target, AcceleratorStream stream, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.FromHost(target, ref cpuData, length);

    public static void CopyToCPU<T, TView>(this TView source, in Span<T> span)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.ToHost(source, span);

    public static void CopyToCPU<T, TView>(this TView source, AcceleratorStream stream, in Span<T> span)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.ToHost(source, span);

    public static void CopyFromCPU<T, TView>(this TView target, in ReadOnlySpan<T> span)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.FromHost(target, span);

    public static void CopyFromCPU<T, TView>(this TView target, AcceleratorStream stream, in ReadOnlySpan<T> span)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.FromHost(target, span);

    public static void CopyToCPU<T>(this ArrayView<T> view, T[] data)
        where T : unmanaged => HostCopy.ToHost(view, data.AsSpan());

    public static void CopyToCPU<T>(this ArrayView<T> view, AcceleratorStream stream, T[] data)
        where T : unmanaged => HostCopy.ToHost(view, data.AsSpan());

    public static void CopyFromCPU<T>(this ArrayView<T> view, T[] data)
        where T : unmanaged => HostCopy.FromHost<T, ArrayView<T>>(view, data);

    public static void CopyFromCPU<T>(this ArrayView<T> view, AcceleratorStream stream, T[] data)
        where T : unmanaged => HostCopy.FromHost<T, ArrayView<T>>(view, data);

    public static T[] GetAsArray<T>(this ArrayView<T> view)
        where T : unmanaged
    {
        var result = new T[view.Length];
        HostCopy.ToHost(view, result.AsSpan());
        return result;
    }

    public static T[] GetAsArray<T>(this ArrayView<T> view, AcceleratorStream stream)
        where T : unmanaged => GetAsArray(view);

    public static MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(this Accelerator accelerator, T[] data)
        where T : unmanaged
    {
        var buffer = accelerator.Allocate1D<T>(data.Length);
        buffer.View.CopyFromCPU(data);
        return buffer;
    }

    public static MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(
        this Accelerator accelerator, AcceleratorStream stream, T[] data)
        where T : unmanaged => Allocate1D(accelerator, data);
}
