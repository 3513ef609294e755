namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.EmaUpdate(TensorView values, double decay, TensorView average) =>
        Map(new MoveTowardsFormula((float)(1 - decay)), values, average, average);
}
