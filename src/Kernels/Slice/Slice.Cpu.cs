namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void SliceForward(TensorView x, int start, TensorView y)
    {
        int count = y.Shape.Channels;
        CopyChannels(x.Pointer + start, x.Shape.Channels, y.Pointer, count, count, y.Count / count, accumulate: false);
    }

    /// <inheritdoc/>
    public void SliceBackward(TensorView dy, int start, TensorView dx, bool accumulate)
    {
        int count = dy.Shape.Channels;
        if (!accumulate) Fill(dx, 0);
        CopyChannels(dy.Pointer, count, dx.Pointer + start, dx.Shape.Channels, count, dy.Count / count, accumulate);
    }
}
