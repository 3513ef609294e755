namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = x[..., start : start + Cy], a range of channels.</summary>
    internal void SliceForward(TensorView x, int start, TensorView y);

    /// <summary>dx[..., start : start + Cy] = dy, and 0 in the other channels unless dx is added to.</summary>
    internal void SliceBackward(TensorView dy, int start, TensorView dx, bool accumulate);
}
