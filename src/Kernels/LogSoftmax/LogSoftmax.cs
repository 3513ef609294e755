namespace NativeDiffusion.Kernels;

public partial interface IKernels
{
    /// <summary>y = x - log(sum of e^x) over the last dimension.</summary>
    internal void LogSoftmaxForward(TensorView x, TensorView y);

    /// <summary>dx = dy - e^y * (sum of dy over the last dimension).</summary>
    internal void LogSoftmaxBackward(TensorView y, TensorView dy, TensorView dx, bool accumulate);
}
