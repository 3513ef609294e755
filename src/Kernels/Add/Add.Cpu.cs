namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.Add(TensorView a, TensorView b, TensorView y) => Map(default(AddFormula), a, b, y);

    /// <inheritdoc/>
    void IKernels.Accumulate(TensorView x, TensorView y) => Map(default(IdentityFormula), x, y, accumulate: true);
}
