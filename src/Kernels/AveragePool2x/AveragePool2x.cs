namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y[n,h,w,c] = mean of x over the 2 x 2 positions (2h..2h+1, 2w..2w+1). x is [N,2H,2W,C].</summary>
    internal void AveragePool2xForward(TensorView x, TensorView y);

    /// <summary>dx[n,h,w,c] = dy[n,h/2,w/2,c] / 4.</summary>
    internal void AveragePool2xBackward(TensorView dy, TensorView dx, bool accumulate);
}
