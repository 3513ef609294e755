using System.Runtime.InteropServices;

namespace IlgpuEmulator;

/// <summary>A copy of the global memory that a launch can reach.</summary>
internal sealed unsafe class MemorySnapshot : IDisposable
{
    private readonly List<(DeviceMemory Memory, ViewRange Range, nint Copy)> _parts = [];

    internal MemorySnapshot(List<ViewRange> ranges)
    {
        foreach (var range in ranges)
            _parts.Add((MemoryTable.Find(range.Memory), range, (nint)NativeMemory.Alloc((nuint)range.Length)));
        Capture();
    }

    public void Dispose()
    {
        foreach (var part in _parts)
            NativeMemory.Free((void*)part.Copy);
        _parts.Clear();
    }

    internal void Capture()
    {
        foreach (var (memory, range, copy) in _parts)
            Large.Copy(memory.At(range.Offset), (byte*)copy, range.Length);
    }

    internal void Restore()
    {
        foreach (var (memory, range, copy) in _parts)
            Large.Copy((byte*)copy, memory.At(range.Offset), range.Length);
    }

    /// <summary>Writes a pattern wherever nothing has written yet.</summary>
    internal void Fill(Poison poison)
    {
        foreach (var (memory, range, _) in _parts)
        {
            foreach (var (start, length) in UndefinedRuns(memory, range))
                poison.Fill(memory.At(start), length);
        }
    }

    /// <summary>First place where memory differs from this snapshot of a run with the same poison; null if none.</summary>
    internal (DeviceMemory Memory, ViewRange Range, long Offset)? FirstDifference()
    {
        foreach (var (memory, range, copy) in _parts)
        {
            long same = Large.CommonPrefix(memory.At(range.Offset), (byte*)copy, range.Length);
            if (same < range.Length)
                return (memory, range, range.Offset + same);
        }
        return null;
    }

    /// <summary>As <see cref="FirstDifference"/>, where memory comes from a run with the second poison and this with the first:
    /// bytes that nobody wrote in either may differ.</summary>
    internal (DeviceMemory Memory, ViewRange Range, long Offset)? FirstDifferenceAcrossPoisons()
    {
        foreach (var (memory, range, copy) in _parts)
        {
            long at = 0;
            while (at < range.Length)
            {
                at += Large.CommonPrefix(memory.At(range.Offset + at), (byte*)copy + at, range.Length - at);
                if (at >= range.Length)
                    break;
                bool untouched = *memory.DefinedAt(range.Offset + at) == 0
                    && ((byte*)copy)[at] == Poison.First.Value && *memory.At(range.Offset + at) == Poison.Second.Value;
                if (!untouched)
                    return (memory, range, range.Offset + at);
                at += UntouchedRun((byte*)copy + at, memory.At(range.Offset + at), memory.DefinedAt(range.Offset + at), range.Length - at);
            }
        }
        return null;
    }

    /// <summary>Marks as written what no longer holds the poison: memory has the second one, this snapshot the first.</summary>
    internal void DefineWhatWasWritten()
    {
        foreach (var (memory, range, copy) in _parts)
        {
            foreach (var (start, length) in UndefinedRuns(memory, range))
            {
                byte* first = (byte*)copy + (start - range.Offset);
                byte* second = memory.At(start);
                byte* defined = memory.DefinedAt(start);
                for (long i = 0; i < length; i++)
                    defined[i] = first[i] == second[i] ? (byte)1 : (byte)0;
            }
        }
    }

    internal void DefineAll()
    {
        foreach (var (memory, range, _) in _parts)
            memory.Define(range.Offset, range.Length);
    }

    private static long UntouchedRun(byte* first, byte* second, byte* defined, long length)
    {
        long i = 0;
        while (i < length && defined[i] == 0 && first[i] == Poison.First.Value && second[i] == Poison.Second.Value)
            i++;
        return i;
    }

    private static List<(long Start, long Length)> UndefinedRuns(DeviceMemory memory, ViewRange range)
    {
        var runs = new List<(long, long)>();
        long at = range.Offset, end = range.Offset + range.Length;
        while (at < end)
        {
            long undefined = Large.IndexOf(memory.DefinedAt(at), end - at, 0);
            if (undefined < 0)
                break;
            at += undefined;
            long defined = Large.IndexOf(memory.DefinedAt(at), end - at, 1);
            long length = defined < 0 ? end - at : defined;
            runs.Add((at, length));
            at += length;
        }
        return runs;
    }
}
