namespace NativeDiffusion.Kernels;

/// <summary>Extents of a depthwise convolution; each direction has its own stride, dilation and padding.</summary>
/// <param name="Batch">Images.</param>
/// <param name="Height">Rows of x.</param>
/// <param name="Width">Columns of x.</param>
/// <param name="Channels">Channels of x and y.</param>
/// <param name="KernelHeight">Rows of taps.</param>
/// <param name="KernelWidth">Columns of taps.</param>
/// <param name="OutHeight">Rows of y.</param>
/// <param name="OutWidth">Columns of y.</param>
/// <param name="StrideY">Step between output rows.</param>
/// <param name="StrideX">Step between output columns.</param>
/// <param name="DilationY">Step between rows of taps.</param>
/// <param name="DilationX">Step between columns of taps.</param>
/// <param name="Top">Zero rows above; those below follow from the extents of y.</param>
/// <param name="Left">Zero columns to the left.</param>
internal readonly record struct DepthwiseShape(
    int Batch, int Height, int Width, int Channels, int KernelHeight, int KernelWidth, int OutHeight, int OutWidth,
    int StrideY, int StrideX, int DilationY, int DilationX, int Top, int Left)
{
    public double Flops => 2.0 * Batch * OutHeight * OutWidth * Channels * KernelHeight * KernelWidth;
}

public partial interface IKernels
{
    /// <summary>y[n,i,j,c] = bias[c] + sum of x[n, s i + d a - p, s j + d b - p, c] w[a,b,c], zero outside the image: every channel by its own filter.</summary>
    /// <param name="shape">Extents.</param>
    /// <param name="x">[N,H,W,C].</param>
    /// <param name="weight">[Kh,Kw,C].</param>
    /// <param name="bias">[C]; empty for none.</param>
    /// <param name="y">[N,H',W',C].</param>
    internal void DepthwiseConv2dForward(DepthwiseShape shape, TensorView x, TensorView weight, TensorView bias, TensorView y);

    /// <summary>The gradient towards x.</summary>
    internal void DepthwiseConv2dInputGrad(DepthwiseShape shape, TensorView dy, TensorView weight, TensorView dx, bool accumulate);

    /// <summary>The gradient towards the weight.</summary>
    internal void DepthwiseConv2dWeightGrad(DepthwiseShape shape, TensorView x, TensorView dy, TensorView dw, bool accumulate);
}
