namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.ClampForward(TensorView x, float low, float high, TensorView y) => Map(new ClampFormula { Low = low, High = high }, x, y);

    /// <inheritdoc/>
    void IKernels.ClampBackward(TensorView x, TensorView dy, float low, float high, TensorView dx, bool accumulate) =>
        Map(new ClampGradientFormula { Low = low, High = high }, x, dy, dx, accumulate);
}
