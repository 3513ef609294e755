using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>What a long sum is of: in double, where squares of floats are exact and cannot overflow.</summary>
internal interface ISumTerm
{
    double At(long index);
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
}

/// <summary>The sum of each part of each row, a group for each: by thread in ascending order, then over the threads as a tree.</summary>
internal struct PartSumsKernel<TTerm> : IGpuKernel
    where TTerm : struct, ISumTerm
{
    public TTerm Term;
    public ArrayView<double> Sums;
    public SumBlocks Blocks;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        long row = Grid.IdxX / Blocks.Blocks, first = (Grid.IdxX - row * Blocks.Blocks) * Blocks.BlockLength;
        long i = row * Blocks.Length + first + Group.IdxX, end = row * Blocks.Length + IntrinsicMath.Min(Blocks.Length, first + Blocks.BlockLength);
        double sum = 0;
        // Four at a time, so that the loads of all four are under way at once.
        for (; i < end - 3 * GpuKernels.GroupSize; i += 4 * GpuKernels.GroupSize)
        {
            double a = Term.At(i), b = Term.At(i + GpuKernels.GroupSize);
            double c = Term.At(i + 2 * GpuKernels.GroupSize), d = Term.At(i + 3 * GpuKernels.GroupSize);
            sum += a + b + (c + d);
        }
        for (; i < end; i += GpuKernels.GroupSize) sum += Term.At(i);
        sum = Reduction.Sum(shared, sum);
        if (Group.IdxX == 0) Sums[Grid.IdxX] = sum;
    }
}

/// <summary>One number of each row of terms, a group for each: their sum by a divisor, or the root of it.</summary>
internal struct TotalKernel<TTerm> : IGpuKernel
    where TTerm : struct, ISumTerm
{
    public TTerm Term;
    public ArrayView<float> Result;
    public long Count;
    public double Divisor;
    public int Root;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        double sum = 0;
        for (long i = Group.IdxX; i < Count; i += GpuKernels.GroupSize) sum += Term.At(Grid.IdxX * Count + i);
        sum = Reduction.Sum(shared, sum) / Divisor;
        if (Group.IdxX == 0) Result[Grid.IdxX] = (float)(Root != 0 ? Math.Sqrt(sum) : sum);
    }
}

/// <summary>Sums of parts.</summary>
internal struct PartTerm : ISumTerm
{
    public ArrayView<double> Parts;

    public readonly double At(long index) => Parts[index];
}

/// <summary>Values, each times a weight if there are any.</summary>
internal struct WeightedTerm : ISumTerm
{
    public ArrayView<float> Values, Weights;
    public int HasWeights;

    public readonly double At(long index) => HasWeights != 0 ? (double)Weights[index] * Values[index] : Values[index];
}

internal sealed partial class GpuKernels
{
    /// <summary>result[row] = sum of <paramref name="length"/> terms / divisor, or its root.</summary>
    private void Sum<TTerm>(TTerm term, int rows, long length, double divisor, bool root, TensorView result)
        where TTerm : struct, ISumTerm
    {
        var blocks = SumBlocks.Of(length);
        var parts = Scratch(0, 2 * rows * blocks.Blocks).Cast<double>();
        Launch(new PartSumsKernel<TTerm> { Term = term, Sums = parts, Blocks = blocks }, rows * blocks.Blocks);
        Launch(new TotalKernel<PartTerm> { Term = new() { Parts = parts }, Result = View(result), Count = blocks.Blocks, Divisor = divisor, Root = root ? 1 : 0 }, rows);
    }

    /// <summary>result[0] = mean over the rows of weight[n] * values[n]; the weights may be left out.</summary>
    private void MeanOfRows(ArrayView<float> values, TensorView weights, TensorView result)
    {
        var term = new WeightedTerm { Values = values, Weights = View(weights), HasWeights = weights.IsEmpty ? 0 : 1 };
        Launch(new TotalKernel<WeightedTerm> { Term = term, Result = View(result), Count = values.Length, Divisor = values.Length }, 1);
    }
}
