namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.QuickGeluForward(TensorView x, TensorView y) => Map(default(QuickGeluFormula), x, y);

    /// <inheritdoc/>
    void IKernels.QuickGeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(QuickGeluGradientFormula), x, dy, dx, accumulate);
}
