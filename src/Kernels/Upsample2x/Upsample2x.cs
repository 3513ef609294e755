namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,h,w,c] = x[n,h/2,w/2,c]: nearest neighbour, y is [N,2H,2W,C].</summary>
    internal void UpsampleNearest2xForward(TensorView x, TensorView y);

    /// <summary>dx[n,h,w,c] = sum of dy over the 2 x 2 positions (2h..2h+1, 2w..2w+1).</summary>
    internal void UpsampleNearest2xBackward(TensorView dy, TensorView dx, bool accumulate);
}
