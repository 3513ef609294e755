namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void QuickGeluForward(TensorView x, TensorView y) => Map(default(QuickGeluFormula), x, y);

    /// <inheritdoc/>
    public void QuickGeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(QuickGeluGradientFormula), x, dy, dx, accumulate);
}
