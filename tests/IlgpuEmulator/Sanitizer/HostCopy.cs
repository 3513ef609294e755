using ILGPU;

namespace IlgpuEmulator;

/// <summary>Copies across the emulated bus; they keep the map of written bytes and refuse what would overrun a view.</summary>
internal static unsafe class HostCopy
{
    internal static void FromHost<T, TView>(TView target, ref T data, long length)
        where TView : IContiguousArrayView
        where T : unmanaged
    {
        fixed (T* pointer = &data)
            Write(target, pointer, length * sizeof(T));
    }

    internal static void ToHost<T, TView>(TView source, ref T data, long length)
        where TView : IContiguousArrayView
        where T : unmanaged
    {
        fixed (T* pointer = &data)
            Read(source, pointer, length * sizeof(T));
    }

    private static void Write<TView>(TView target, void* data, long bytes)
        where TView : IContiguousArrayView
    {
        if (bytes == 0)
            return;
        EmulatorOptions.Failing?.ThrowIfLost();
        if (bytes < 0 || bytes > target.LengthInBytes)
            throw Overrun($"{bytes} bytes copied to a view of {target.LengthInBytes}");
        var memory = target.Buffer.Memory;
        Large.Copy((byte*)data, memory.At(target.IndexInBytes), bytes);
        memory.Define(target.IndexInBytes, bytes);
    }

    private static void Read<TView>(TView source, void* data, long bytes)
        where TView : IContiguousArrayView
    {
        if (bytes == 0)
            return;
        EmulatorOptions.Failing?.ThrowIfLost();
        if (bytes < 0 || bytes > source.LengthInBytes)
            throw Overrun($"{bytes} bytes copied from a view of {source.LengthInBytes}");
        var memory = source.Buffer.Memory;
        long undefined = memory.FirstUndefined(source.IndexInBytes, bytes);
        if (undefined >= 0 && EmulatorOptions.ReportUndefinedDownloads)
        {
            throw new KernelSanitizerException(
                SanitizerFinding.UndefinedRead,
                $"element {(undefined - source.IndexInBytes) / source.ElementSize} of {source.Length} is copied to the host, " +
                "but nothing ever wrote it",
                "host");
        }
        Large.Copy(memory.At(source.IndexInBytes), (byte*)data, bytes);
    }

    private static KernelSanitizerException Overrun(string detail) => new(SanitizerFinding.OutOfRange, detail, "host");
}

/// <summary>What a test may do to the emulated device's memory beyond ILGPU's own calls.</summary>
public static class EmulatorMemory
{
    /// <summary>Declares the elements of a view unwritten again, as after an allocation: for memory that is used anew.</summary>
    /// <typeparam name="T">Element type.</typeparam>
    /// <param name="view">A view of global memory.</param>
    public static void Forget<T>(ArrayView<T> view)
        where T : unmanaged
    {
        if (view.Length == 0)
            return;
        var range = view.Range;
        MemoryTable.Find(range.Memory).Forget(range.Offset, range.Length);
    }
}
