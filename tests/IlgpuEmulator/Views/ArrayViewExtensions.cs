using IlgpuEmulator;

namespace ILGPU.Runtime;

public static partial class ArrayViewExtensions
{
    public static unsafe void MemSetToZero<TView>(this TView view, AcceleratorStream stream)
        where TView : IContiguousArrayView
    {
        if (view.LengthInBytes == 0)
            return;
        var memory = view.Buffer.Memory;
        Large.Fill(memory.At(view.IndexInBytes), view.LengthInBytes, 0);
        memory.Define(view.IndexInBytes, view.LengthInBytes);
    }

    public static void CopyToCPU<T, TView>(this TView source, AcceleratorStream stream, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.ToHost(source, ref cpuData, length);

    public static void CopyFromCPU<T, TView>(this TView target, AcceleratorStream stream, ref T cpuData, long length)
        where TView : IContiguousArrayView<T>
        where T : unmanaged => HostCopy.FromHost(target, ref cpuData, length);

    public static T[] GetAsArray<T>(this ArrayView<T> view)
        where T : unmanaged
    {
        var result = new T[view.Length];
        if (result.Length > 0)
            HostCopy.ToHost(view, ref result[0], result.Length);
        return result;
    }

    public static MemoryBuffer1D<T, Stride1D.Dense> Allocate1D<T>(this Accelerator accelerator, T[] data)
        where T : unmanaged
    {
        var buffer = accelerator.Allocate1D<T>(data.Length);
        if (data.Length > 0)
            HostCopy.FromHost(buffer.View.BaseView, ref data[0], data.Length);
        return buffer;
    }
}
