namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.SiluForward(TensorView x, TensorView y) => Map(default(SiluFormula), x, y);

    /// <inheritdoc/>
    void IKernels.SiluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(SiluGradientFormula), x, dy, dx, accumulate);
}
