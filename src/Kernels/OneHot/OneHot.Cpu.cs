namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.OneHot(TensorView labels, TensorView y)
    {
        int* label = (int*)labels.Pointer;
        nint classes = y.Shape.Channels;
        Ops.Fill(y, 0);
        for (int n = 0; n < labels.Count; n++)
            if ((uint)label[n] < (uint)classes)
                y.Pointer[n * classes + label[n]] = 1;
    }
}
