namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[a,c,b,d] = x[a,b,c,d]: the two axes in the middle change places. Every order of axes is a few such steps.</summary>
    /// <param name="x">[A,B,C,D].</param>
    /// <param name="y">[A,C,B,D]; not x.</param>
    /// <param name="accumulate">Whether y is added to.</param>
    internal void SwapAxes(TensorView x, TensorView y, bool accumulate);
}
