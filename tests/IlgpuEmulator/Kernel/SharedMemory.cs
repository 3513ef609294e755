using System.Runtime.CompilerServices;
using ILGPU.Runtime;
using IlgpuEmulator;

namespace ILGPU;

public static partial class SharedMemory
{
    public static ref T Allocate<T>([CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged => ref Allocate<T>(1, file, line)[0];

    public static ArrayView<T> Allocate<T>(int extent, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged => LaneContext.InGroup.Shared.Allocate<T>(extent, file, line);

    public static ArrayView<T> GetDynamic<T>()
        where T : unmanaged => LaneContext.InGroup.Shared.Dynamic<T>();

    public static ArrayView1D<T, Stride1D.Dense> Allocate1D<T>(
        Index1D extent, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged => Allocate<T>(extent.X, file, line);
}
