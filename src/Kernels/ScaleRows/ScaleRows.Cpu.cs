namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.ScaleRows(TensorView x, TensorView factor, TensorView y, bool accumulate)
    {
        for (int n = 0; n < factor.Count; n++) Ops.Scale(x.Rows(n, 1), factor.Pointer[n], y.Rows(n, 1), accumulate);
    }
}
