using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void DepthwiseConv2dForward(DepthwiseShape shape, TensorView x, TensorView weight, TensorView bias, TensorView y) => LaunchEach(new DepthwiseKernel
    {
        Shape = shape, X = View(x), Weight = View(weight), Bias = bias.IsEmpty ? View(weight) : View(bias), HasBias = bias.IsEmpty ? 0 : 1, Y = View(y),
    }, y.Count);

    /// <inheritdoc/>
    public void DepthwiseConv2dInputGrad(DepthwiseShape shape, TensorView dy, TensorView weight, TensorView dx, bool accumulate) =>
        LaunchEach(new DepthwiseInputGradKernel { Shape = shape, Dy = View(dy), Weight = View(weight), Dx = View(dx), Accumulate = accumulate ? 1 : 0 }, dx.Count);

    /// <inheritdoc/>
    public void DepthwiseConv2dWeightGrad(DepthwiseShape shape, TensorView x, TensorView dy, TensorView dw, bool accumulate) =>
        LaunchEach(new DepthwiseWeightGradKernel { Shape = shape, X = View(x), Dy = View(dy), Dw = View(dw), Accumulate = accumulate ? 1 : 0 }, dw.Count);
}

/// <summary>One element of the output.</summary>
internal struct DepthwiseKernel : IGpuKernel
{
    public DepthwiseShape Shape;
    public ArrayView<float> X, Weight, Bias, Y;
    public int HasBias;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Y.Length) return;
        int position = (int)(at / Shape.Channels), c = (int)(at - (long)position * Shape.Channels), line = position / Shape.OutWidth, n = line / Shape.OutHeight;
        int top = Shape.StrideY * (line - n * Shape.OutHeight) - Shape.Top, left = Shape.StrideX * (position - line * Shape.OutWidth) - Shape.Left;
        float sum = HasBias != 0 ? Bias[c] : 0f;
        for (int a = 0; a < Shape.KernelHeight; a++)
            for (int b = 0; b < Shape.KernelWidth; b++)
            {
                int row = top + a * Shape.DilationY, column = left + b * Shape.DilationX;
                if (row < 0 || row >= Shape.Height || column < 0 || column >= Shape.Width) continue;
                sum += X[(((long)n * Shape.Height + row) * Shape.Width + column) * Shape.Channels + c] * Weight[(long)(a * Shape.KernelWidth + b) * Shape.Channels + c];
            }
        Y[at] = sum;
    }
}

/// <summary>One element of the input's gradient.</summary>
internal struct DepthwiseInputGradKernel : IGpuKernel
{
    public DepthwiseShape Shape;
    public ArrayView<float> Dy, Weight, Dx;
    public int Accumulate;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Dx.Length) return;
        int position = (int)(at / Shape.Channels), c = (int)(at - (long)position * Shape.Channels), line = position / Shape.Width, n = line / Shape.Height;
        int row = line - n * Shape.Height + Shape.Top, column = position - line * Shape.Width + Shape.Left;
        float sum = Accumulate != 0 ? Dx[at] : 0f;
        for (int a = 0; a < Shape.KernelHeight; a++)
            for (int b = 0; b < Shape.KernelWidth; b++)
            {
                int scaledY = row - a * Shape.DilationY, scaledX = column - b * Shape.DilationX, i = scaledY / Shape.StrideY, j = scaledX / Shape.StrideX;
                if (scaledY < 0 || scaledX < 0 || i * Shape.StrideY != scaledY || j * Shape.StrideX != scaledX || i >= Shape.OutHeight || j >= Shape.OutWidth) continue;
                sum += Dy[(((long)n * Shape.OutHeight + i) * Shape.OutWidth + j) * Shape.Channels + c] * Weight[(long)(a * Shape.KernelWidth + b) * Shape.Channels + c];
            }
        Dx[at] = sum;
    }
}

/// <summary>One element of the weight's gradient.</summary>
internal struct DepthwiseWeightGradKernel : IGpuKernel
{
    public DepthwiseShape Shape;
    public ArrayView<float> X, Dy, Dw;
    public int Accumulate;

    public readonly void Run()
    {
        long at = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (at >= Dw.Length) return;
        int tap = (int)(at / Shape.Channels), c = (int)(at - (long)tap * Shape.Channels), a = tap / Shape.KernelWidth, b = tap - a * Shape.KernelWidth;
        float total = 0f;
        for (int line = 0; line < Shape.Batch * Shape.OutHeight; line++)
        {
            int n = line / Shape.OutHeight, row = (line - n * Shape.OutHeight) * Shape.StrideY + a * Shape.DilationY - Shape.Top;
            if (row < 0 || row >= Shape.Height) continue;
            float sum = 0f;
            for (int j = 0; j < Shape.OutWidth; j++)
            {
                int column = j * Shape.StrideX + b * Shape.DilationX - Shape.Left;
                if (column < 0 || column >= Shape.Width) continue;
                sum += X[(((long)n * Shape.Height + row) * Shape.Width + column) * Shape.Channels + c] * Dy[((long)line * Shape.OutWidth + j) * Shape.Channels + c];
            }
            total += sum;
        }
        Dw[at] = Accumulate != 0 ? Dw[at] + total : total;
    }
}
