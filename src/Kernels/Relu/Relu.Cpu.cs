namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void ReluForward(TensorView x, TensorView y) => Map(default(ReluFormula), x, y);

    /// <inheritdoc/>
    public void ReluBackward(TensorView x, TensorView dy, TensorView dx, bool accumulate) =>
        Map(default(ReluGradientFormula), x, dy, dx, accumulate);
}
