using ILGPU;

namespace IlgpuEmulator;

/// <summary>Runs all groups of a launch once, on the calling thread, lane after lane in a given order.</summary>
internal sealed unsafe class GroupScheduler : IDisposable
{
    private readonly Launch _launch;
    private readonly int _lanes;
    private readonly SharedBlock _shared;
    private readonly LaneFrames _frames;
    private readonly LaneContext _context;
    private readonly int[] _order;
    private readonly LaneState[] _states;
    private readonly (string File, int Line)[] _waiting;
    private readonly WarpInstructions _warps;
    private readonly (string File, int Line)? _dropped = EmulatorOptions.DroppedBarrier;

    internal GroupScheduler(Launch launch)
    {
        _launch = launch;
        _lanes = launch.GroupDim.Size;
        _frames = new LaneFrames(launch, _lanes);
        _shared = new SharedBlock(launch.SharedLimit, _lanes, () => _context!.Lane);
        _context = new LaneContext { Launch = launch, Shared = _shared, Scheduler = this };
        _order = new int[_lanes];
        _states = new LaneState[_lanes];
        _waiting = new (string, int)[_lanes];
        _warps = new WarpInstructions(_context, _states, launch.WarpSize);
    }

    /// <summary>Called with group and interval after each interval; null to skip.</summary>
    internal Action<int, int>? IntervalEnded { get; set; }

    internal SharedBlock Shared => _shared;

    internal AccessTrace? Trace { get; set; }

    public void Dispose()
    {
        _frames.Dispose();
        _shared.Dispose();
    }

    internal void Run(LaneOrder order, Poison poison)
    {
        var previous = LaneContext.Enter(_context);
        try
        {
            Trace?.Begin(this);
            RunGroups(order, poison);
        }
        catch (Exception e) when (e is not KernelSanitizerException and not NotSupportedException)
        {
            var report = LaneContext.Report(SanitizerFinding.KernelFailure, $"{e.GetType().Name}: {e.Message}", "", "", 0);
            throw new KernelSanitizerException(
                report.Finding, $"{e.GetType().Name}: {e.Message.TrimEnd('.')}", report.Kernel, report.Group, report.Thread, inner: e);
        }
        finally
        {
            Trace?.End();
            LaneContext.Enter(previous);
        }
    }

    internal void Arrive(int lane, string file, int line)
    {
        _waiting[lane] = (file, line);
        _states[lane] = (file, line) == _dropped ? LaneState.Running : LaneState.AtBarrier;
    }

    internal void ArriveInWarp(int lane, string instruction, ReadOnlySpan<nint> registers, string file, int line)
    {
        _states[lane] = LaneState.InWarp;
        _warps.Arrive(lane, instruction, registers, file, line);
    }

    private void RunGroups(LaneOrder order, Poison poison)
    {
        var grid = _launch.GridDim;
        var groups = new int[grid.Size];
        order.Fill(groups, -1);
        foreach (int group in groups)
        {
            _context.GridIndex = new Index3D(group % grid.X, group / grid.X % grid.Y, group / (grid.X * grid.Y));
            _shared.Reset(poison);
            _frames.Reset();
            Array.Clear(_states);
            RunGroup(group, order);
        }
    }

    private void RunGroup(int group, LaneOrder order)
    {
        for (int interval = 0; _states.Contains(LaneState.Running); interval++)
        {
            order.Fill(_order, unchecked((group * 31) + interval));
            do
            {
                foreach (int lane in _order)
                {
                    if (_states[lane] != LaneState.Running)
                        continue;
                    _context.Select(lane);
                    do
                    {
                        if (_launch.Kernel.Entry(_frames.Of(lane)) == 0)
                            _states[lane] = LaneState.Ended;
                    }
                    while (_states[lane] == LaneState.Running);
                    Trace?.EndSlice(group, interval, lane);
                }
            }
            while (_warps.Run());
            IntervalEnded?.Invoke(group, interval);
            if (_states.Contains(LaneState.AtBarrier))
                CheckBarrier();
        }
    }

    private void CheckBarrier()
    {
        int first = Array.IndexOf(_states, LaneState.AtBarrier);
        var (file, line) = _waiting[first];
        int ended = Array.IndexOf(_states, LaneState.Ended);
        if (ended >= 0)
        {
            _context.Select(ended);
            throw LaneContext.Report(
                SanitizerFinding.DivergentBarrier,
                $"this thread ended, while thread {first} of the group waits at the barrier", "Group.Barrier()", file, line);
        }
        for (int lane = first + 1; lane < _lanes; lane++)
        {
            if (_waiting[lane] == (file, line))
                continue;
            _context.Select(lane);
            string own = SourceSite.Describe("", _waiting[lane].File, _waiting[lane].Line);
            throw LaneContext.Report(
                SanitizerFinding.DivergentBarrier,
                $"this thread waits at {own}, thread {first} of the group at another barrier",
                "Group.Barrier()", file, line);
        }
        Array.Fill(_states, LaneState.Running);
    }
}

/// <summary>What a lane of the running group does.</summary>
internal enum LaneState
{
    Running,
    InWarp,
    AtBarrier,
    Ended,
}
