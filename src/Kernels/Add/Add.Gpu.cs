namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void Add(TensorView a, TensorView b, TensorView y) => Map(default(AddFormula), a, b, y);

    /// <inheritdoc/>
    public void Accumulate(TensorView x, TensorView y) => Map(default(IdentityFormula), x, y, accumulate: true);
}
