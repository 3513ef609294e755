namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void SiluForward(TensorView x, TensorView y) => Map(default(SiluFormula), x, y);

    /// <inheritdoc/>
    public void SiluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(SiluGradientFormula), x, dy, dx, accumulate);
}
