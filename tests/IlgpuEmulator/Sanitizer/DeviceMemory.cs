using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using ILGPU.Runtime;

namespace IlgpuEmulator;

/// <summary>Bytes of a view: allocation, offset and length.</summary>
internal readonly record struct ViewRange(int Memory, long Offset, long Length);

/// <summary>One allocation of global memory, with a map that says which of its bytes something has written.</summary>
internal sealed unsafe class DeviceMemory
{
    /// <summary>Real devices align allocations to at least this many bytes.</summary>
    internal const int Alignment = 256;

    private readonly byte* _bytes;
    private readonly byte* _defined;

    internal DeviceMemory(long length)
    {
        Length = length;
        nuint size = (nuint)Math.Max(length, 1);
        _bytes = (byte*)NativeMemory.AlignedAlloc(size, Alignment);
        _defined = (byte*)NativeMemory.AllocZeroed(size);
        Poison.First.Fill(_bytes, length);
        Number = MemoryTable.Add(this);
    }

    internal int Number { get; }

    internal long Length { get; }

    internal nint Address => (nint)_bytes;

    internal MemoryBuffer? Buffer { get; set; }

    internal bool IsFree { get; private set; }

    internal byte* At(long offset) => _bytes + offset;

    /// <summary>One byte per byte of memory: 0 where nothing has written yet, else 1.</summary>
    internal byte* DefinedAt(long offset) => _defined + offset;

    internal void Free()
    {
        if (IsFree)
            return;
        IsFree = true;
        MemoryTable.Remove(Number);
        NativeMemory.AlignedFree(_bytes);
        NativeMemory.Free(_defined);
    }

    internal void Define(long offset, long length) => Large.Fill(_defined + offset, length, 1);

    internal void Forget(long offset, long length)
    {
        Large.Fill(_defined + offset, length, 0);
        Poison.First.Fill(_bytes + offset, length);
    }

    /// <summary>Offset of the first undefined byte of a range, or -1.</summary>
    internal long FirstUndefined(long offset, long length)
    {
        long found = Large.IndexOf(_defined + offset, length, 0);
        return found < 0 ? -1 : offset + found;
    }
}

/// <summary>All allocations by number, so that a view need not hold a reference. Number 0 is shared memory.</summary>
internal static class MemoryTable
{
    private static readonly ConcurrentDictionary<int, DeviceMemory> Live = new();
    private static int LastNumber;

    internal static int Add(DeviceMemory memory)
    {
        int number = Interlocked.Increment(ref LastNumber);
        Live[number] = memory;
        return number;
    }

    internal static void Remove(int number) => Live.TryRemove(number, out _);

    internal static DeviceMemory Find(int number) =>
        Live.TryGetValue(number, out var memory)
            ? memory
            : throw LaneContext.Report(
                SanitizerFinding.Misuse, "a view of a buffer that has been disposed, or that never existed, is used", "", "", 0);
}

/// <summary>
/// Byte patterns of memory that nothing wrote. All four differ, so that neither a result computed from them nor shared poison copied
/// to global memory looks untouched. As floats: NaN and 1.3e7, in shared memory 5.3e7 and -1.7e38.
/// </summary>
internal readonly record struct Poison(byte Value, byte SharedValue)
{
    internal static readonly Poison First = new(0xFF, 0x4C);
    internal static readonly Poison Second = new(0x4B, 0xFE);

    internal unsafe void Fill(byte* target, long length) => Large.Fill(target, length, Value);
}

/// <summary>Span operations on more than 2 GB.</summary>
internal static unsafe class Large
{
    private const int Chunk = 1 << 30;

    internal static void Fill(byte* target, long length, byte value)
    {
        for (long start = 0; start < length; start += Chunk)
            new Span<byte>(target + start, (int)Math.Min(Chunk, length - start)).Fill(value);
    }

    internal static long IndexOf(byte* source, long length, byte value)
    {
        for (long start = 0; start < length; start += Chunk)
        {
            int found = new ReadOnlySpan<byte>(source + start, (int)Math.Min(Chunk, length - start)).IndexOf(value);
            if (found >= 0)
                return start + found;
        }
        return -1;
    }

    /// <summary>Length of the common prefix of two blocks.</summary>
    internal static long CommonPrefix(byte* first, byte* second, long length)
    {
        for (long start = 0; start < length; start += Chunk)
        {
            int count = (int)Math.Min(Chunk, length - start);
            int common = new ReadOnlySpan<byte>(first + start, count)
                .CommonPrefixLength(new ReadOnlySpan<byte>(second + start, count));
            if (common < count)
                return start + common;
        }
        return length;
    }

    internal static void Copy(byte* source, byte* target, long length) => Buffer.MemoryCopy(source, target, length, length);
}

/// <summary>The alignment a device wants of an access of a given width.</summary>
internal static class Alignment
{
    /// <summary>Largest power of two that divides the size, at most 16: what a vector load of that type needs.</summary>
    internal static int Of(int size) => Math.Min(size & -size, 16);
}
