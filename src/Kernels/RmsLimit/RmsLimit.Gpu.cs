using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void RmsLimit(TensorView x, TensorView y) =>
        Launch(new RmsLimitKernel { X = View(x), Y = View(y), RowLength = x.Shape.RowCount }, x.Shape.Batch);
}

/// <summary>One sample, a group for each.</summary>
internal struct RmsLimitKernel : IGpuKernel
{
    public ArrayView<float> X, Y;
    public long RowLength;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        long start = Grid.IdxX * RowLength;
        double meanSquare = SampleSum.Squares(shared, X, start, RowLength) / RowLength;
        float limit = (float)(meanSquare > 1 ? Math.Sqrt(meanSquare) : 1.0);
        for (long i = start + Group.IdxX; i < start + RowLength; i += GpuKernels.GroupSize) Y[i] = X[i] / limit;
    }
}

/// <summary>Sums over a sample by the group that has it; all its threads call these methods together.</summary>
internal static class SampleSum
{
    /// <summary>The sum of the squares of a row, in double; each thread receives it.</summary>
    public static double Squares(ArrayView<double> shared, ArrayView<float> x, long start, long length)
    {
        double sum = 0;
        for (long i = start + Group.IdxX; i < start + length; i += GpuKernels.GroupSize)
        {
            double value = x[i];
            sum += value * value;
        }
        return Reduction.Sum(shared, sum);
    }
}
