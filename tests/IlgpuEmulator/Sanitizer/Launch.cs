using System.Runtime.InteropServices;
using ILGPU;

namespace IlgpuEmulator;

/// <summary>One launch of one kernel: its shape, its arguments, and the memory it can reach.</summary>
internal sealed class Launch
{
    internal required string Name { get; init; }

    internal required ResumableMethod Kernel { get; init; }

    internal required Argument[] Arguments { get; init; }

    internal required Index3D GridDim { get; init; }

    internal required Index3D GroupDim { get; init; }

    internal required int WarpSize { get; init; }

    internal required int SharedLimit { get; init; }

    /// <summary>Memory reachable through the arguments, overlapping views merged.</summary>
    internal List<ViewRange> Ranges()
    {
        var all = new List<ViewRange>();
        foreach (var argument in Arguments)
            argument.CollectViews(all);
        all.Sort((a, b) => (a.Memory, a.Offset).CompareTo((b.Memory, b.Offset)));
        var merged = new List<ViewRange>();
        foreach (var range in all)
        {
            if (merged.Count > 0 && merged[^1] is var last && last.Memory == range.Memory && range.Offset <= last.Offset + last.Length)
                merged[^1] = last with { Length = Math.Max(last.Length, range.Offset + range.Length - last.Offset) };
            else
                merged.Add(range);
        }
        return merged;
    }
}

/// <summary>The frames of a group's lanes.</summary>
internal sealed unsafe class LaneFrames : IDisposable
{
    private readonly int _bytes;
    private readonly int _lanes;
    private readonly byte* _frames;
    private readonly byte* _template;

    internal LaneFrames(Launch launch, int lanes)
    {
        _lanes = lanes;
        _bytes = (launch.Kernel.TotalBytes + 63) & ~63;
        _frames = (byte*)NativeMemory.AlignedAlloc((nuint)_bytes * (nuint)(lanes + 1), 64);
        _template = _frames + ((long)_bytes * lanes);
        NativeMemory.Clear(_template, (nuint)_bytes);
        var slots = launch.Kernel.Frame.Arguments;
        for (int i = 0; i < launch.Arguments.Length; i++)
            launch.Arguments[i].Write(_template + slots[i].Offset);
    }

    public void Dispose() => NativeMemory.AlignedFree(_frames);

    internal byte* Of(int lane) => _frames + ((long)_bytes * lane);

    /// <summary>Sets every lane to the kernel's beginning.</summary>
    internal void Reset()
    {
        for (int lane = 0; lane < _lanes; lane++)
            Large.Copy(_template, Of(lane), _bytes);
    }
}
