using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void RowsAtMost(TensorView values, TensorView weights, double bound, TensorView y) => Launch(
        new RowsAtMostKernel { Values = View(values), Weights = View(weights), Y = Indices(y), Bound = bound, RowLength = values.Shape.RowCount }, values.Shape.Batch);
}

/// <summary>One row, a group for each.</summary>
internal struct RowsAtMostKernel : IGpuKernel
{
    public ArrayView<float> Values, Weights;
    public ArrayView<int> Y;
    public double Bound;
    public long RowLength;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        long start = Grid.IdxX * RowLength;
        double sum = 0;
        for (long i = start + Group.IdxX; i < start + RowLength; i += GpuKernels.GroupSize) sum += (double)Values[i] * Weights[i];
        sum = Reduction.Sum(shared, sum);
        // Of 0 and 1, ILGPU would make the inverted comparison, which takes a NaN for a number.
        int isAbove = sum > Bound ? 1 : 0;
        if (Group.IdxX == 0) Y[Grid.IdxX] = 1 - isAbove;
    }
}
