using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>Turns rows into columns between strided buffers.</summary>
internal static unsafe class Transposition
{
    /// <summary>destination[j * destinationStride + i] = source[i * sourceStride + j] for i below rows and j below columns.</summary>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* source, nint sourceStride, int rows, int columns, float* destination, nint destinationStride)
    {
        int blockRows = 0, blockColumns = 0;
        if (Sse.IsSupported)
        {
            blockRows = rows & ~3;
            blockColumns = columns & ~3;
            for (nint i = 0; i < blockRows; i += 4)
            {
                float* s = source + i * sourceStride;
                float* d = destination + i;
                for (nint j = 0; j < blockColumns; j += 4)
                {
                    Block(s + j, sourceStride, d, destinationStride);
                    d += 4 * destinationStride;
                }
            }
        }
        for (nint i = 0; i < rows; i++)
            for (nint j = i < blockRows ? blockColumns : 0; j < columns; j++)
                destination[j * destinationStride + i] = source[i * sourceStride + j];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Block(float* source, nint sourceStride, float* destination, nint destinationStride)
    {
        Vector128<float> r0 = Vector128.Load(source);
        Vector128<float> r1 = Vector128.Load(source + sourceStride);
        Vector128<float> r2 = Vector128.Load(source + 2 * sourceStride);
        Vector128<float> r3 = Vector128.Load(source + 3 * sourceStride);
        Vector128<float> low01 = Sse.UnpackLow(r0, r1);
        Vector128<float> low23 = Sse.UnpackLow(r2, r3);
        Vector128<float> high01 = Sse.UnpackHigh(r0, r1);
        Vector128<float> high23 = Sse.UnpackHigh(r2, r3);
        Sse.MoveLowToHigh(low01, low23).Store(destination);
        Sse.MoveHighToLow(low23, low01).Store(destination + destinationStride);
        Sse.MoveLowToHigh(high01, high23).Store(destination + 2 * destinationStride);
        Sse.MoveHighToLow(high23, high01).Store(destination + 3 * destinationStride);
    }
}
