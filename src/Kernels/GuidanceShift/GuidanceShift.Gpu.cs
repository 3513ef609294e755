using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GuidanceShift(TensorView gradient, TensorView reference, TensorView weight, TensorView shift, bool accumulate) => Launch(
        new GuidanceShiftKernel
        {
            Gradient = View(gradient), Reference = View(reference), Weight = View(weight), Shift = View(shift),
            RowLength = gradient.Shape.RowCount, HasReference = reference.IsEmpty ? 0 : 1, Accumulate = accumulate ? 1 : 0,
        }, gradient.Shape.Batch);
}

/// <summary>The shift of one sample, a group for each.</summary>
internal struct GuidanceShiftKernel : IGpuKernel
{
    public ArrayView<float> Gradient, Reference, Weight, Shift;
    public long RowLength;
    public int HasReference, Accumulate;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<double>(GpuKernels.GroupSize);
        long start = Grid.IdxX * RowLength;
        double factor = Weight[Grid.IdxX];
        if (HasReference != 0)
        {
            double size = SampleSum.Squares(shared, Gradient, start, RowLength), reference = SampleSum.Squares(shared, Reference, start, RowLength);
            if (size == 0) factor = 0;
            else factor *= Math.Sqrt(reference / size);
        }
        float scale = (float)factor;
        for (long i = start + Group.IdxX; i < start + RowLength; i += GpuKernels.GroupSize)
            Shift[i] = Accumulate != 0 ? Shift[i] + scale * Gradient[i] : scale * Gradient[i];
    }
}
