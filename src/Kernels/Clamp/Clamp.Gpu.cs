namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void ClampForward(TensorView x, float low, float high, TensorView y) => Map(new ClampFormula { Low = low, High = high }, x, y);

    /// <inheritdoc/>
    public void ClampBackward(TensorView x, TensorView dy, float low, float high, TensorView dx, bool accumulate) =>
        Map(new ClampGradientFormula { Low = low, High = high }, x, dy, dx, accumulate);
}
