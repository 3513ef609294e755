using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.DepthwiseConv2dForward(DepthwiseShape shape, TensorView x, TensorView weight, TensorView bias, TensorView y)
    {
        var job = new DepthwiseJob(shape, x.Pointer, weight.Pointer, bias.Pointer, y.Pointer);
        Pool.Run(ref job, checked(shape.Batch * shape.OutHeight));
    }

    /// <inheritdoc/>
    void IKernels.DepthwiseConv2dInputGrad(DepthwiseShape shape, TensorView dy, TensorView weight, TensorView dx, bool accumulate)
    {
        var job = new DepthwiseInputGradJob(shape, dy.Pointer, weight.Pointer, dx.Pointer, accumulate);
        Pool.Run(ref job, checked(shape.Batch * shape.Height));
    }

    /// <inheritdoc/>
    void IKernels.DepthwiseConv2dWeightGrad(DepthwiseShape shape, TensorView x, TensorView dy, TensorView dw, bool accumulate)
    {
        var job = new DepthwiseWeightGradJob(shape, x.Pointer, dy.Pointer, dw.Pointer, accumulate);
        Pool.Run(ref job, checked(shape.KernelHeight * shape.KernelWidth * job.Slabs));
    }

    /// <summary>One row of the output per item.</summary>
    private readonly struct DepthwiseJob(DepthwiseShape shape, float* x, float* weight, float* bias, float* y) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            if (Avx512F.IsSupported) Run<Lanes512>(item);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(item);
            else Run<Lanes128>(item);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(int item)
            where V : unmanaged, ILanes<V>
        {
            int n = item / shape.OutHeight, top = shape.StrideY * (item % shape.OutHeight) - shape.Top, channels = shape.Channels;
            for (int j = 0; j < shape.OutWidth; j++)
            {
                int left = shape.StrideX * j - shape.Left;
                float* to = y + ((nint)item * shape.OutWidth + j) * channels;
                for (int c = 0; c < channels; c += V.Count)
                {
                    int count = Math.Min(V.Count, channels - c);
                    V sum = bias == null ? V.Zero : LoadUpTo<V>(bias + c, count);
                    for (int a = 0, row = top; a < shape.KernelHeight; a++, row += shape.DilationY)
                    {
                        if ((uint)row >= (uint)shape.Height) continue;
                        float* from = x + ((nint)n * shape.Height + row) * shape.Width * channels + c, taps = weight + (nint)a * shape.KernelWidth * channels + c;
                        for (int b = 0, column = left; b < shape.KernelWidth; b++, column += shape.DilationX)
                            if ((uint)column < (uint)shape.Width)
                                sum = V.MultiplyAdd(LoadUpTo<V>(from + (nint)column * channels, count), LoadUpTo<V>(taps + (nint)b * channels, count), sum);
                    }
                    StoreUpTo(to + c, sum, count);
                }
            }
        }
    }

    /// <summary>One row of the input's gradient per item: the taps by which an output saw an element.</summary>
    private readonly struct DepthwiseInputGradJob(DepthwiseShape shape, float* dy, float* weight, float* dx, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            if (Avx512F.IsSupported) Run<Lanes512>(item);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(item);
            else Run<Lanes128>(item);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(int item)
            where V : unmanaged, ILanes<V>
        {
            int n = item / shape.Height, row = item % shape.Height, channels = shape.Channels;
            for (int column = 0; column < shape.Width; column++)
            {
                float* to = dx + ((nint)item * shape.Width + column) * channels;
                for (int c = 0; c < channels; c += V.Count)
                {
                    int count = Math.Min(V.Count, channels - c);
                    V sum = accumulate ? LoadUpTo<V>(to + c, count) : V.Zero;
                    for (int a = 0; a < shape.KernelHeight; a++)
                    {
                        int scaledY = row + shape.Top - a * shape.DilationY, i = scaledY / shape.StrideY;
                        if (scaledY < 0 || i * shape.StrideY != scaledY || i >= shape.OutHeight) continue;
                        float* from = dy + ((nint)n * shape.OutHeight + i) * shape.OutWidth * channels + c, taps = weight + (nint)a * shape.KernelWidth * channels + c;
                        for (int b = 0; b < shape.KernelWidth; b++)
                        {
                            int scaledX = column + shape.Left - b * shape.DilationX, j = scaledX / shape.StrideX;
                            if (scaledX < 0 || j * shape.StrideX != scaledX || j >= shape.OutWidth) continue;
                            sum = V.MultiplyAdd(LoadUpTo<V>(from + (nint)j * channels, count), LoadUpTo<V>(taps + (nint)b * channels, count), sum);
                        }
                    }
                    StoreUpTo(to + c, sum, count);
                }
            }
        }
    }

    /// <summary>A few neighbouring channels of one tap per item, over all images; sums of rows are added in double, so that long ones keep their digits.</summary>
    private readonly struct DepthwiseWeightGradJob(DepthwiseShape shape, float* x, float* dy, float* dw, bool accumulate) : IWorkerJob
    {
        public int Slabs => (shape.Channels + LaneCount - 1) / LaneCount;

        public void Execute(int item, int worker)
        {
            if (Avx512F.IsSupported) Run<Lanes512>(item);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(item);
            else Run<Lanes128>(item);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(int item)
            where V : unmanaged, ILanes<V>
        {
            int tap = item / Slabs, c = item % Slabs * V.Count, channels = shape.Channels, count = Math.Min(V.Count, channels - c);
            int dilatedY = tap / shape.KernelWidth * shape.DilationY - shape.Top, dilatedX = tap % shape.KernelWidth * shape.DilationX - shape.Left;
            double* total = stackalloc double[16];
            float* part = stackalloc float[16];
            new Span<double>(total, 16).Clear();
            for (int line = 0; line < shape.Batch * shape.OutHeight; line++)
            {
                int row = line % shape.OutHeight * shape.StrideY + dilatedY;
                if ((uint)row >= (uint)shape.Height) continue;
                float* from = x + ((nint)(line / shape.OutHeight) * shape.Height + row) * shape.Width * channels + c, gradient = dy + (nint)line * shape.OutWidth * channels + c;
                V sum = V.Zero;
                for (int j = 0, column = dilatedX; j < shape.OutWidth; j++, column += shape.StrideX)
                    if ((uint)column < (uint)shape.Width)
                        sum = V.MultiplyAdd(LoadUpTo<V>(from + (nint)column * channels, count), LoadUpTo<V>(gradient + (nint)j * channels, count), sum);
                V.Store(part, sum);
                for (int i = 0; i < count; i++) total[i] += part[i];
            }
            float* to = dw + (nint)tap * channels + c;
            for (int i = 0; i < count; i++) to[i] = accumulate ? to[i] + (float)total[i] : (float)total[i];
        }
    }
}
