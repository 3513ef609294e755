namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void ReluForward(TensorView x, TensorView y) => Map(default(ReluFormula), x, y);

    /// <inheritdoc/>
    public void ReluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(ReluGradientFormula), x, dy, dx, accumulate);
}
