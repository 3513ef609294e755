using System.Runtime.InteropServices;
using ILGPU;

namespace IlgpuEmulator;

/// <summary>
/// The shared memory of the group that runs. As in ILGPU each lane's n-th allocation is the group's n-th array, so lanes must
/// agree on type and length.
/// </summary>
internal sealed unsafe class SharedBlock : IDisposable
{
    private const int Align = 256;

    private readonly byte* _bytes;
    private readonly int _limit;
    private readonly int[] _allocated;
    private readonly List<Slot> _slots = [];
    private readonly Func<int> _lane;
    private int _usedByArrays;
    private byte _poison;

    internal SharedBlock(int limit, int lanes, Func<int> lane)
    {
        _limit = limit;
        _allocated = new int[lanes];
        _lane = lane;
        // Room for the padding between arrays, which the device's limit does not count.
        Capacity = (limit + (64 * Align)) & ~(Align - 1);
        _bytes = (byte*)NativeMemory.AlignedAlloc((nuint)(2 * Capacity), Align);
    }

    internal int Capacity { get; }

    /// <summary>Bytes in use, padding included.</summary>
    internal int Used { get; private set; }

    internal byte* Bytes => _bytes;

    public void Dispose() => NativeMemory.AlignedFree(_bytes);

    /// <summary>Starts a new group.</summary>
    internal void Reset(Poison poison)
    {
        _poison = poison.SharedValue;
        _slots.Clear();
        _usedByArrays = 0;
        Used = 0;
        Array.Clear(_allocated);
    }

    internal ArrayView<T> Allocate<T>(int extent, string file, int line)
        where T : unmanaged
    {
        int index = _allocated[_lane()]++;
        if (extent < 0)
            throw Disagree($"an array of {extent} elements", file, line);
        if (index < _slots.Count)
        {
            var slot = _slots[index];
            if (slot.Type != typeof(T) || slot.Extent != extent)
                throw Disagree($"this thread wants {typeof(T).Name}[{extent}], another had {slot.Type.Name}[{slot.Extent}]", file, line);
            return new ArrayView<T>(_bytes + slot.Offset, 0, extent, 0);
        }
        long bytes = (long)extent * sizeof(T);
        if (_usedByArrays + bytes > _limit || Used + bytes > Capacity)
            throw Disagree(
                $"{typeof(T).Name}[{extent}] takes shared memory from {_usedByArrays} to {_usedByArrays + bytes} bytes; a group has {_limit}", file, line);
        var added = new Slot(typeof(T), extent, sizeof(T), Used, new SourceSite("", file, line));
        _slots.Add(added);
        _usedByArrays += (int)bytes;
        Used += Padded((int)bytes);
        new Span<byte>(_bytes + added.Offset, Used - added.Offset).Fill(_poison);
        return new ArrayView<T>(_bytes + added.Offset, 0, extent, 0);
    }

    /// <summary>A value that differs, but for luck, when any byte differs.</summary>
    internal ulong Hash()
    {
        var words = new ReadOnlySpan<ulong>(_bytes, Used / sizeof(ulong));
        ulong a = 0x9E3779B97F4A7C15, b = 0xC2B2AE3D27D4EB4F, c = 0x165667B19E3779F9, d = 0x27D4EB2F165667C5;
        for (int i = 0; i + 3 < words.Length; i += 4)
        {
            a = (ulong.RotateLeft(a, 7) ^ words[i]) * 0x9E3779B97F4A7C15;
            b = (ulong.RotateLeft(b, 7) ^ words[i + 1]) * 0x9E3779B97F4A7C15;
            c = (ulong.RotateLeft(c, 7) ^ words[i + 2]) * 0x9E3779B97F4A7C15;
            d = (ulong.RotateLeft(d, 7) ^ words[i + 3]) * 0x9E3779B97F4A7C15;
        }
        return a ^ ulong.RotateLeft(b, 17) ^ ulong.RotateLeft(c, 31) ^ ulong.RotateLeft(d, 47);
    }

    internal bool Contains(byte* address) => address >= _bytes && address < _bytes + Used;

    /// <summary>Names the element at an address of this block.</summary>
    internal string Name(byte* address)
    {
        int offset = (int)(address - _bytes);
        foreach (var slot in _slots)
        {
            if (offset >= slot.Offset && offset < slot.Offset + ((long)slot.Extent * slot.Size))
                return $"element {(offset - slot.Offset) / slot.Size} of the shared {slot.Type.Name}[{slot.Extent}] " +
                    $"of {slot.Site}";
        }
        return $"byte {offset} of shared memory";
    }

    private static int Padded(int bytes) => (bytes + Align - 1) & ~(Align - 1);

    private static KernelSanitizerException Disagree(string detail, string file, int line) =>
        LaneContext.Report(SanitizerFinding.SharedMemory, detail, "SharedMemory.Allocate", file, line);

    private sealed record Slot(Type Type, int Extent, int Size, int Offset, SourceSite Site);
}
