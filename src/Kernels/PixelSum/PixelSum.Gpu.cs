namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void PixelSum(TensorView x, TensorView y, bool accumulate) => SumPositions(x, x.Shape.Batch, y, 1, accumulate);
}
