using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void Quantile(TensorView x, double quantile, float most, TensorView limit) => Launch(
        new QuantileKernel
        {
            Formula = QuantileFormula.Of(quantile, most, x.Shape.RowCount), X = Indices(x), Limit = View(limit), RowLength = x.Shape.RowCount,
        }, x.Shape.Batch);
}

/// <summary>The limit of one sample, a group for each: the bits of a magnitude, which are ordered as the values, from the highest on by counting.</summary>
internal struct QuantileKernel : IGpuKernel
{
    private const int Magnitude = 0x7FFFFFFF;

    public QuantileFormula Formula;
    public ArrayView<int> X;
    public ArrayView<float> Limit;
    public long RowLength;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        long numbers = Below(shared, QuantileFormula.Infinity + 1);
        int below = At(shared, Formula.Below), above = At(shared, Formula.Above);
        if (Group.IdxX != 0) return;
        float limit = Formula.Limit(Interop.IntAsFloat((uint)below), Interop.IntAsFloat((uint)above));
        Limit[Grid.IdxX] = numbers == RowLength ? limit : float.NaN;
    }

    /// <summary>The largest number with no more magnitudes below it than a place says.</summary>
    private readonly int At(ArrayView<double> shared, long place)
    {
        int found = 0;
        for (int bit = 1 << 30; bit != 0; bit >>= 1)
            if (Below(shared, found | bit) <= place)
                found |= bit;
        return found;
    }

    /// <summary>How many magnitudes have bits below these; each thread receives it.</summary>
    private readonly long Below(ArrayView<double> shared, int bits)
    {
        long count = 0, start = Grid.IdxX * RowLength;
        for (long i = start + Group.IdxX; i < start + RowLength; i += GpuKernels.GroupSize)
            if ((X[i] & Magnitude) < bits)
                count++;
        return (long)Reduction.Sum(shared, (double)count);
    }
}
