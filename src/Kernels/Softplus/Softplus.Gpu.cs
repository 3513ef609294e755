namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void SoftplusForward(TensorView x, float beta, TensorView y) => Map(new SoftplusFormula(beta), x, y);

    /// <inheritdoc/>
    public void SoftplusBackward(TensorView y, float beta, TensorView dy, TensorView dx, bool accumulate) =>
        Map(new SoftplusGradientFormula(beta), y, dy, dx, accumulate);
}
