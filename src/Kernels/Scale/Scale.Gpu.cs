namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void Scale(TensorView x, float factor, TensorView y, bool accumulate) => Map(new ScaleFormula(factor), x, y, accumulate);
}
