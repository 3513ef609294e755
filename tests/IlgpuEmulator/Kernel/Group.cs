using System.Runtime.CompilerServices;
using IlgpuEmulator;

namespace ILGPU;

public static class Group
{
    public static int IdxX => LaneContext.InGroup.X;

    public static int IdxY => LaneContext.InGroup.Y;

    public static int IdxZ => LaneContext.InGroup.Z;

    public static Index3D Index
    {
        get
        {
            var lane = LaneContext.InGroup;
            return new Index3D(lane.X, lane.Y, lane.Z);
        }
    }

    public static int DimX => LaneContext.InGroup.GroupDim.X;

    public static int DimY => LaneContext.InGroup.GroupDim.Y;

    public static int DimZ => LaneContext.InGroup.GroupDim.Z;

    public static Index3D Dimension => LaneContext.InGroup.GroupDim;

    public static int LinearIndex => LaneContext.InGroup.Lane;

    public static bool IsFirstThread => LaneContext.InGroup.Lane == 0;

    public static bool IsLastThread => LaneContext.InGroup.Lane == LaneContext.InGroup.GroupDim.Size - 1;

    /// <summary>The compiled kernel suspends its lane here instead of calling this (see ResumableCompiler).</summary>
    public static void Barrier([CallerFilePath] string file = "", [CallerLineNumber] int line = 0) =>
        throw LaneContext.Report(
            SanitizerFinding.Misuse, "a barrier where lanes cannot wait: in an element-wise kernel, on the host or through a delegate",
            "Group.Barrier()", file, line);
}

public static class Grid
{
    public static int IdxX => LaneContext.InGroup.GridIndex.X;

    public static int IdxY => LaneContext.InGroup.GridIndex.Y;

    public static int IdxZ => LaneContext.InGroup.GridIndex.Z;

    public static Index3D Index => LaneContext.InGroup.GridIndex;

    public static int DimX => LaneContext.InGroup.GridDim.X;

    public static int DimY => LaneContext.InGroup.GridDim.Y;

    public static int DimZ => LaneContext.InGroup.GridDim.Z;

    public static Index3D Dimension => LaneContext.InGroup.GridDim;

    public static int LinearIndex
    {
        get
        {
            var lane = LaneContext.InGroup;
            return lane.GridIndex.X + (lane.GridDim.X * (lane.GridIndex.Y + (lane.GridDim.Y * lane.GridIndex.Z)));
        }
    }

    public static Index3D GlobalIndex => (Index * Group.Dimension) + Group.Index;

    public static LongIndex3D LongGlobalIndex =>
        (Index.ToLongIndex() * Group.Dimension.ToLongIndex()) + Group.Index.ToLongIndex();

    public static int GlobalLinearIndex => checked((LinearIndex * Group.Dimension.Size) + Group.LinearIndex);
}

public static class Warp
{
    public static int WarpSize => LaneContext.InGroup.WarpSize;

    public static int LaneIdx => LaneContext.InGroup.Lane % WarpSize;

    public static int WarpIdx => LaneContext.InGroup.Lane / WarpSize;

    public static bool IsFirstLane => LaneIdx == 0;

    public static bool IsLastLane => LaneIdx == WarpSize - 1;
}

public static class MemoryFence
{
    public static void GroupLevel()
    {
    }

    public static void DeviceLevel()
    {
    }
}
