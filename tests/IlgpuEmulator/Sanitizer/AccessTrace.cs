using ILGPU;

namespace IlgpuEmulator;

/// <summary>What a trace found: where, who, and the source of the access.</summary>
internal sealed record TraceFinding(string Detail, Index3D? Group, Index3D Thread, SourceSite Site);

/// <summary>
/// Records every access of a run to find the threads behind a defect. A view hands out references, so a write shows only as a change
/// by the end of the lane's slice; a write that changes nothing looks like a read, and cannot make a race.
/// </summary>
internal sealed unsafe class AccessTrace(Launch launch)
{
    private const int Granule = 4;

    private static int ActiveTraces;

    [ThreadStatic]
    private static AccessTrace? Current;

    private readonly Dictionary<nint, Touch> _slice = [];
    private readonly Dictionary<nint, History> _history = [];
    private GroupScheduler? _scheduler;
    private HashSet<nint> _undefined = [];

    /// <summary>Whether any thread traces; then every access takes the slow path.</summary>
    internal static bool Active => ActiveTraces != 0;

    internal TraceFinding? Race { get; private set; }

    internal TraceFinding? UndefinedRead { get; private set; }

    internal static void Record(byte* address, int size, string expression, string file, int line) =>
        Current?.Add(address, size, new SourceSite(expression, file, line));

    internal void Begin(GroupScheduler scheduler)
    {
        _scheduler = scheduler;
        Current = this;
        _undefined = UndefinedGranules();
        Interlocked.Increment(ref ActiveTraces);
    }

    internal void End()
    {
        Interlocked.Decrement(ref ActiveTraces);
        Current = null;
    }

    /// <summary>Judges what a lane did since the last barrier.</summary>
    internal void EndSlice(int group, int interval, int lane)
    {
        foreach (var (address, touch) in _slice)
        {
            uint now = *(uint*)address;
            bool changed = now != touch.Before;
            var access = new Access(group, interval, lane, changed, changed ? touch.WriterWhen(now) ?? touch.Last : touch.First);
            bool shared = _scheduler!.Shared.Contains((byte*)address);
            if (!_history.TryGetValue(address, out var history) || (shared && history.Group != group))
                history = _history[address] = new History { Group = group };
            if (!access.Changed && !history.Written && now == touch.Before && IsPoison(address, now, shared))
                UndefinedRead ??= Describe(address, access, "read, though nothing wrote it", shared);
            if (Race is null && history.Conflict(access) is { } other)
                Race = DescribeRace(address, access, other, shared);
            history.Add(access);
        }
        _slice.Clear();
    }

    private void Add(byte* address, int size, SourceSite site)
    {
        nint first = (nint)address & ~(Granule - 1);
        for (nint granule = first; granule < (nint)address + size; granule += Granule)
        {
            uint now = *(uint*)granule;
            _slice[granule] = _slice.TryGetValue(granule, out var touch)
                ? touch with { Last = site, Now = now, Writer = touch.WriterWhen(now) }
                : new Touch(now, now, site, site, null);
        }
    }

    private bool IsPoison(nint address, uint value, bool shared) => shared
        ? value == Poison.First.SharedValue * 0x01010101u
        : value == Poison.First.Value * 0x01010101u && _undefined.Contains(address);

    private HashSet<nint> UndefinedGranules()
    {
        var result = new HashSet<nint>();
        foreach (var range in launch.Ranges())
        {
            var memory = MemoryTable.Find(range.Memory);
            for (long at = range.Offset; at < range.Offset + range.Length; at += Granule)
            {
                if (*memory.DefinedAt(at) == 0)
                    result.Add((nint)memory.At(at) & ~(Granule - 1));
            }
        }
        return result;
    }

    private TraceFinding DescribeRace(nint address, Access access, Access other, bool shared)
    {
        string verb = access.Changed ? "written" : "read";
        string otherVerb = other.Changed ? "written" : "read";
        string between = access.Group == other.Group ? "with no barrier between" : "in the same launch";
        return Describe(
            address, access, $"{verb} here and {otherVerb} by {Name(other)} at {Bracketed(other.Site)} {between}", shared);
    }

    private TraceFinding Describe(nint address, Access access, string what, bool shared)
    {
        string element = shared ? _scheduler!.Shared.Name((byte*)address) : GlobalName(address);
        return new TraceFinding(
            $"{element} is {what}", GroupIndex(access.Group), Thread(access.Lane), Bracketed(access.Site));
    }

    private static SourceSite Bracketed(SourceSite site) => site with { Expression = $"[{site.Expression}]" };

    private string GlobalName(nint address)
    {
        foreach (var range in launch.Ranges())
        {
            long offset = address - (nint)MemoryTable.Find(range.Memory).At(range.Offset);
            if (offset >= 0 && offset < range.Length)
                return $"byte {offset} of a {range.Length}-byte view of global memory";
        }
        return "global memory";
    }

    private string Name(Access access) => $"group {GroupIndex(access.Group)}, thread {Thread(access.Lane)}";

    private Index3D GroupIndex(int group)
    {
        var grid = launch.GridDim;
        return new Index3D(group % grid.X, group / grid.X % grid.Y, group / (grid.X * grid.Y));
    }

    private Index3D Thread(int lane)
    {
        var group = launch.GroupDim;
        return new Index3D(lane % group.X, lane / group.X % group.Y, lane / (group.X * group.Y));
    }

    /// <summary>A lane's accesses to four bytes in one interval.</summary>
    private readonly record struct Touch(uint Before, uint Now, SourceSite First, SourceSite Last, SourceSite? Writer)
    {
        /// <summary>Who wrote last, given what the bytes hold now: a change shows after the access that made it.</summary>
        internal SourceSite? WriterWhen(uint value) => value != Now ? Last : Writer;
    }

    private sealed record Access(int Group, int Interval, int Lane, bool Changed, SourceSite Site);

    /// <summary>The last accesses to four bytes: enough to see that two threads met there.</summary>
    private sealed class History
    {
        private Access? _writer;
        private Access? _toucher;
        private Access? _otherToucher;

        internal int Group { get; init; }

        internal bool Written => _writer is not null;

        internal Access? Conflict(Access access)
        {
            if (_writer is { } writer && Meet(writer, access))
                return writer;
            if (!access.Changed)
                return null;
            if (_toucher is { } toucher && Meet(toucher, access))
                return toucher;
            return _otherToucher is { } other && Meet(other, access) ? other : null;
        }

        internal void Add(Access access)
        {
            if (access.Changed)
                _writer = access;
            if (_toucher is { } last && (last.Group, last.Lane) != (access.Group, access.Lane))
                _otherToucher = last;
            _toucher = access;
        }

        private static bool Meet(Access first, Access second) => first.Group == second.Group
            ? first.Lane != second.Lane && first.Interval == second.Interval
            : true;
    }
}
