namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.GeluForward(TensorView x, TensorView y) => Map(default(GeluFormula), x, y);

    /// <inheritdoc/>
    void IKernels.GeluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(GeluGradientFormula), x, dy, dx, accumulate);
}
