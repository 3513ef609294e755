using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

/// <summary>Turns rows into columns between strided buffers.</summary>
internal static unsafe class Transposition
{
    /// <summary>destination[j * destinationStride + i] = source[i * sourceStride + j] for i below rows and j below columns.</summary>
    public static void Run(float* source, nint sourceStride, int rows, int columns, float* destination, nint destinationStride)
    {
        if (Avx512F.IsSupported)
        {
            int wideRows = rows & ~15, wideColumns = columns & ~15;
            for (nint i = 0; i < wideRows; i += 16)
                for (nint j = 0; j < wideColumns; j += 16)
                    Block16(source + i * sourceStride + j, sourceStride, destination + j * destinationStride + i, destinationStride);
            if (wideRows == rows && wideColumns == columns) return;
            Narrow(source + wideColumns, sourceStride, wideRows, columns - wideColumns, destination + wideColumns * destinationStride, destinationStride);
            Narrow(source + wideRows * sourceStride, sourceStride, rows - wideRows, columns, destination + wideRows, destinationStride);
            return;
        }
        Narrow(source, sourceStride, rows, columns, destination, destinationStride);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Narrow(float* source, nint sourceStride, int rows, int columns, float* destination, nint destinationStride)
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

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static void Block16(float* source, nint sourceStride, float* destination, nint destinationStride)
    {
        // Quarters of a register hold 4 columns of one row, in turn: 4x4 transpositions within the quarters, for 4 rows at a time ...
        Quarters(source, sourceStride, out var a0, out var a1, out var a2, out var a3);
        Quarters(source + 4 * sourceStride, sourceStride, out var b0, out var b1, out var b2, out var b3);
        Quarters(source + 8 * sourceStride, sourceStride, out var c0, out var c1, out var c2, out var c3);
        Quarters(source + 12 * sourceStride, sourceStride, out var d0, out var d1, out var d2, out var d3);
        // ... and then one of the quarters as a whole.
        Gather(a0, b0, c0, d0, destination, destinationStride);
        Gather(a1, b1, c1, d1, destination + destinationStride, destinationStride);
        Gather(a2, b2, c2, d2, destination + 2 * destinationStride, destinationStride);
        Gather(a3, b3, c3, d3, destination + 3 * destinationStride, destinationStride);
    }

    /// <summary>Of 4 rows of 16: in quarter q of the j-th result, column 4 q + j.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarters(
        float* source, nint stride, out Vector512<float> r0, out Vector512<float> r1, out Vector512<float> r2, out Vector512<float> r3)
    {
        Vector512<float> s0 = Vector512.Load(source), s1 = Vector512.Load(source + stride), s2 = Vector512.Load(source + 2 * stride), s3 = Vector512.Load(source + 3 * stride);
        var low01 = Avx512F.UnpackLow(s0, s1).AsDouble();
        var low23 = Avx512F.UnpackLow(s2, s3).AsDouble();
        var high01 = Avx512F.UnpackHigh(s0, s1).AsDouble();
        var high23 = Avx512F.UnpackHigh(s2, s3).AsDouble();
        r0 = Avx512F.UnpackLow(low01, low23).AsSingle();
        r1 = Avx512F.UnpackHigh(low01, low23).AsSingle();
        r2 = Avx512F.UnpackLow(high01, high23).AsSingle();
        r3 = Avx512F.UnpackHigh(high01, high23).AsSingle();
    }

    /// <summary>Quarter q of the four, side by side, to row 4 q of the destination.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Gather(Vector512<float> a, Vector512<float> b, Vector512<float> c, Vector512<float> d, float* destination, nint stride)
    {
        var lowAb = Avx512F.Shuffle4x128(a, b, 0x44);
        var highAb = Avx512F.Shuffle4x128(a, b, 0xEE);
        var lowCd = Avx512F.Shuffle4x128(c, d, 0x44);
        var highCd = Avx512F.Shuffle4x128(c, d, 0xEE);
        Avx512F.Shuffle4x128(lowAb, lowCd, 0x88).Store(destination);
        Avx512F.Shuffle4x128(lowAb, lowCd, 0xDD).Store(destination + 4 * stride);
        Avx512F.Shuffle4x128(highAb, highCd, 0x88).Store(destination + 8 * stride);
        Avx512F.Shuffle4x128(highAb, highCd, 0xDD).Store(destination + 12 * stride);
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
