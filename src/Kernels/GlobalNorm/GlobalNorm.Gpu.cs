using ILGPU;

namespace NativeDiffusion.Kernels;

public sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GlobalNorm(TensorView x, TensorView result)
    {
        var partials = Scratch(0, 2 * SumBlocks.Of(x.Count).Blocks).Cast<double>();
        var squares = new SumOfSquaresKernel { X = View(x), Partials = partials, Blocks = SumBlocks.Of(x.Count) };
        Launch(squares, squares.Blocks.Blocks);
        Launch(new RootKernel { Partials = partials, Result = View(result) }, 1);
    }
}

/// <summary>How a long sum is cut into one part for each group of threads; by the length alone, and at most 1024 of them.</summary>
internal struct SumBlocks
{
    public long Blocks, BlockLength, Length;

    public static SumBlocks Of(long length)
    {
        // 16 elements a thread, or more.
        long part = Math.Max(16 * GpuKernels.GroupSize, (length + 1023) / 1024);
        return new SumBlocks { Blocks = (length + part - 1) / part, BlockLength = part, Length = length };
    }

    /// <summary>The first element of a thread in part <paramref name="block"/>.</summary>
    public readonly long First(int block) => block * BlockLength + Group.IdxX;

    public readonly long End(int block) => block * BlockLength + BlockLength < Length ? block * BlockLength + BlockLength : Length;
}

/// <summary>Sums of x^2 in double, where squares of floats are exact and cannot overflow.</summary>
internal struct SumOfSquaresKernel : IGpuKernel
{
    public ArrayView<float> X;
    public ArrayView<double> Partials;
    public SumBlocks Blocks;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        double sum = 0;
        long i = Blocks.First(Grid.IdxX), end = Blocks.End(Grid.IdxX);
        for (; i < end - 3 * GpuKernels.GroupSize; i += 4 * GpuKernels.GroupSize)
        {
            double a = X[i], b = X[i + GpuKernels.GroupSize], c = X[i + 2 * GpuKernels.GroupSize], d = X[i + 3 * GpuKernels.GroupSize];
            sum += a * a + b * b + (c * c + d * d);
        }
        for (; i < end; i += GpuKernels.GroupSize)
        {
            double a = X[i];
            sum += a * a;
        }
        sum = Reduction.Sum(shared, sum);
        if (Group.IdxX == 0) Partials[Grid.IdxX] = sum;
    }
}

/// <summary>The square root of the sum of a few numbers, by one group.</summary>
internal struct RootKernel : IGpuKernel
{
    public ArrayView<double> Partials;
    public ArrayView<float> Result;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        double sum = 0;
        for (long i = Group.IdxX; i < Partials.Length; i += GpuKernels.GroupSize) sum += Partials[i];
        sum = Reduction.Sum(shared, sum);
        if (Group.IdxX == 0) Result[0] = (float)Math.Sqrt(sum);
    }
}
