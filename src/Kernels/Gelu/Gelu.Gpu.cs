namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GeluForward(TensorView x, TensorView y) => Map(default(GeluFormula), x, y);

    /// <inheritdoc/>
    public void GeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(GeluGradientFormula), x, dy, dx, accumulate);
}
