namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void QuickGeluForward(TensorView x, TensorView y) => Map(default(QuickGeluFormula), x, y);

    /// <inheritdoc/>
    public void QuickGeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(QuickGeluGradientFormula), x, dy, dx, accumulate);
}
