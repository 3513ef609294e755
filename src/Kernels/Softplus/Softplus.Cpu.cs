namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.SoftplusForward(TensorView x, float beta, TensorView y) => Map(new SoftplusFormula(beta), x, y);

    /// <inheritdoc/>
    void IKernels.SoftplusBackward(TensorView y, float beta, TensorView dy, TensorView dx, bool accumulate) =>
        Map(new SoftplusGradientFormula(beta), y, dy, dx, accumulate);
}
