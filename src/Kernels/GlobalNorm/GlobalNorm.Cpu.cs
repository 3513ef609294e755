using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GlobalNorm(TensorView x, TensorView result)
    {
        int chunks = Chunks(x.Count);
        EnsureScratch(2L * chunks);
        double* partial = (double*)Scratch(0);
        var job = new SumOfSquaresJob(x.Pointer, x.Count, partial);
        Pool.Run(ref job, chunks);
        double sum = 0;
        for (int i = 0; i < chunks; i++) sum += partial[i];
        *result.Pointer = (float)Math.Sqrt(sum);
    }

    private readonly struct SumOfSquaresJob(float* x, long count, double* partial) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            nint start = (nint)item * ChunkLength;
            partial[item] = SumOfSquares(x + start, (nint)Math.Min(ChunkLength, count - start));
        }
    }

    /// <summary>16 sums side by side. Squares of floats are exact in double, so every instruction set gives the same bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double SumOfSquares(float* from, nint length)
    {
        nint i = 0;
        Vector256<double> a = default, b = default, c = default, d = default;
        for (; i <= length - 16; i += 16)
        {
            Vector256<float> low = Vector256.Load(from + i), high = Vector256.Load(from + i + 8);
            Vector256<double> w0 = Vector256.WidenLower(low), w1 = Vector256.WidenUpper(low);
            Vector256<double> w2 = Vector256.WidenLower(high), w3 = Vector256.WidenUpper(high);
            a += w0 * w0;
            b += w1 * w1;
            c += w2 * w2;
            d += w3 * w3;
        }
        Vector256<double> sums = (a + b) + (c + d);
        double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (; i < length; i++) sum += (double)from[i] * from[i];
        return sum;
    }
}
