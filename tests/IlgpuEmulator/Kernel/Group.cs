using System.Runtime.CompilerServices;
using IlgpuEmulator;

namespace ILGPU;

public static class Group
{
    public static int IdxX => LaneContext.InGroup.X;

    public static int IdxY => LaneContext.InGroup.Y;

    public static int DimX => LaneContext.InGroup.GroupDim.X;

    public static int LinearIndex => LaneContext.InGroup.Lane;

    /// <summary>The compiled kernel suspends its lane here instead of calling this (see ResumableCompiler).</summary>
    public static void Barrier([CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        throw LaneContext.Report(
            SanitizerFinding.Misuse, "a barrier where lanes cannot wait: on the host or through a delegate", "Group.Barrier()", file, line);
}

public static class Grid
{
    public static int IdxX => LaneContext.InGroup.GridIndex.X;

    public static int IdxY => LaneContext.InGroup.GridIndex.Y;

    public static int LinearIndex
    {
        get
        {
            var lane = LaneContext.InGroup;
            return lane.GridIndex.X + (lane.GridDim.X * (lane.GridIndex.Y + (lane.GridDim.Y * lane.GridIndex.Z)));
        }
    }

    public static int GlobalLinearIndex => checked((LinearIndex * LaneContext.InGroup.GroupDim.Size) + Group.LinearIndex);
}
