namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void EmaUpdate(TensorView values, double decay, TensorView average) =>
        Map(new MoveTowardsFormula((float)(1 - decay)), values, average, average);
}
