namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.SliceForward(TensorView x, int start, TensorView y)
    {
        int count = y.Shape.Channels;
        CopyChannels(x.Pointer + start, x.Shape.Channels, y.Pointer, count, count, y.Count / count, accumulate: false);
    }

    /// <inheritdoc/>
    void IKernels.SliceBackward(TensorView dy, int start, TensorView dx, bool accumulate)
    {
        int count = dy.Shape.Channels;
        if (!accumulate) Ops.Fill(dx, 0);
        CopyChannels(dy.Pointer, count, dx.Pointer + start, dx.Shape.Channels, count, dy.Count / count, accumulate);
    }
}
