namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void TanhForward(TensorView x, TensorView y) => Map(default(TanhFormula), x, y);

    /// <inheritdoc/>
    public void TanhBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(TanhGradientFormula), x, dy, dx, accumulate);
}
