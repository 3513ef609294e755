namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void UpsampleNearest2xForward(TensorView x, TensorView y) => Spread2x(x, y, 1, accumulate: false);

    /// <inheritdoc/>
    public void UpsampleNearest2xBackward(TensorView dy, TensorView dx, bool accumulate) => Reduce2x(dy, dx, 1, accumulate);
}
