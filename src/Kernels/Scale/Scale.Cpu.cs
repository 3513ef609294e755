namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.Scale(TensorView x, float factor, TensorView y, bool accumulate) => Map(new ScaleFormula(factor), x, y, accumulate);
}
