using ILGPU;

namespace IlgpuEmulator;

/// <summary>The lane that runs on this thread: what Group and Grid answer, and whom a report names.</summary>
internal sealed class LaneContext
{
    [ThreadStatic]
    private static LaneContext? Current;

    internal required Launch Launch { get; init; }

    internal required SharedBlock Shared { get; init; }

    internal required GroupScheduler Scheduler { get; init; }

    internal Index3D GridDim => Launch.GridDim;

    internal Index3D GroupDim => Launch.GroupDim;

    internal int WarpSize => Launch.WarpSize;

    internal Index3D GridIndex { get; set; }

    internal int Lane { get; private set; }

    internal int X { get; private set; }

    internal int Y { get; private set; }

    internal int Z { get; private set; }

    internal static LaneContext InGroup
    {
        get
        {
            return Current ?? throw Report(SanitizerFinding.Misuse, "Group, Grid and SharedMemory exist only in kernels", "", "", 0);
        }
    }

    /// <summary>Makes this the running lane's context until the result is restored.</summary>
    internal static LaneContext? Enter(LaneContext? context)
    {
        var previous = Current;
        Current = context;
        return previous;
    }

    internal static KernelSanitizerException Report(
        SanitizerFinding finding, string detail, string expression, string file, int line)
    {
        string source = SourceSite.Describe(expression, file, line);
        var lane = Current;
        return lane is null
            ? new KernelSanitizerException(finding, detail, "host", source: source)
            : new KernelSanitizerException(finding, detail, lane.Launch.Name, lane.GridIndex, new Index3D(lane.X, lane.Y, lane.Z), source);
    }

    /// <summary>Called by compiled kernels when a lane reaches a barrier, before it is suspended.</summary>
    internal static void Arrive(string file, int line)
    {
        var lane = InGroup;
        lane.Scheduler.Arrive(lane.Lane, file, line);
    }

    /// <summary>Called by a warp's instruction, before the lane is suspended.</summary>
    internal static void ArriveInWarp(string instruction, ReadOnlySpan<nint> registers, string file, int line)
    {
        var lane = InGroup;
        lane.Scheduler.ArriveInWarp(lane.Lane, instruction, registers, file, line);
    }

    internal void Select(int lane)
    {
        Lane = lane;
        X = lane;
        if (GroupDim.X < GroupDim.Size)
            (X, Y, Z) = (lane % GroupDim.X, lane / GroupDim.X % GroupDim.Y, lane / (GroupDim.X * GroupDim.Y));
    }
}

/// <summary>Source positions as the caller-info parameters deliver them.</summary>
internal readonly record struct SourceSite(string Expression, string File, int Line)
{
    internal static string Describe(string expression, string file, int line)
    {
        string place = file.Length == 0 ? "" : $"{Path.GetFileName(file)}:{line}";
        if (expression.Length == 0)
            return place;
        return place.Length == 0 ? expression : $"{expression} ({place})";
    }

    public override string ToString() => Describe(Expression, File, Line);
}
