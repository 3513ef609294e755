namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.UpsampleNearest2xForward(TensorView x, TensorView y) => Spread2x(x, y, 1, accumulate: false);

    /// <inheritdoc/>
    void IKernels.UpsampleNearest2xBackward(TensorView dy, TensorView dx, bool accumulate) => Reduce2x(dy, dx, 1, accumulate);
}
