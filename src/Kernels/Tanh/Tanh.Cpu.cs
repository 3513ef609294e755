namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.TanhForward(TensorView x, TensorView y) => Map(default(TanhFormula), x, y);

    /// <inheritdoc/>
    void IKernels.TanhBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(TanhGradientFormula), x, dy, dx, accumulate);
}
