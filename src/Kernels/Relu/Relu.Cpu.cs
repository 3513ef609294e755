namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.ReluForward(TensorView x, TensorView y) => Map(default(ReluFormula), x, y);

    /// <inheritdoc/>
    void IKernels.ReluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(ReluGradientFormula), x, dy, dx, accumulate);
}
