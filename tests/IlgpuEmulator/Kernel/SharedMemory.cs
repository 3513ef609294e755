using System.Runtime.CompilerServices;
using IlgpuEmulator;

namespace ILGPU;

public static partial class SharedMemory
{
    public static ArrayView<T> Allocate<T>(int extent, [CallerFilePath] string file = "", [CallerLineNumber] int line = 0)
        where T : unmanaged => LaneContext.InGroup.Shared.Allocate<T>(extent, file, line);
}
