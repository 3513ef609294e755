using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void MaxPool3x3Forward(TensorView x, int stride, int padding, TensorView y, TensorView taps)
    {
        var kernel = new MaxPoolKernel { X = View(x), Y = View(y), Taps = View(taps), Windows = Windows3x3.Of(x.Shape, y.Shape, stride, padding, InVectors(x.Shape.Channels, x, y, taps)) };
        LaunchEach(kernel, checked(x.Shape[0] * kernel.Windows.OutHeight * kernel.Windows.OutWidth * kernel.Windows.PerPosition));
    }

    /// <inheritdoc/>
    public void MaxPool3x3Backward(TensorView dy, TensorView taps, int stride, int padding, TensorView dx, bool accumulate)
    {
        var kernel = new MaxPoolGradKernel
        {
            Dy = View(dy),
            Taps = View(taps),
            Dx = View(dx),
            Windows = Windows3x3.Of(dx.Shape, dy.Shape, stride, padding, InVectors(dx.Shape.Channels, dy, taps, dx)),
            Accumulate = accumulate ? 1 : 0,
        };
        LaunchEach(kernel, checked(dx.Shape[0] * dx.Shape[1] * dx.Shape[2] * kernel.Windows.PerPosition));
    }
}

/// <summary>The extents of 3 x 3 windows; a thread takes four channels of one position.</summary>
internal struct Windows3x3
{
    public int Batch, Height, Width, OutHeight, OutWidth, Stride, Padding, Channels, PerPosition, Vectors;

    public static Windows3x3 Of(Shape image, Shape pooled, int stride, int padding, int vectors) => new()
    {
        Batch = image[0],
        Height = image[1],
        Width = image[2],
        OutHeight = pooled[1],
        OutWidth = pooled[2],
        Stride = stride,
        Padding = padding,
        Channels = image[3],
        PerPosition = (image[3] + 3) / 4,
        Vectors = vectors,
    };

    /// <summary>The first window that sees a row or column.</summary>
    public readonly int First(int at) => IntrinsicMath.Max(0, (at + Padding - 2 + Stride - 1) / Stride);
}

internal struct MaxPoolKernel : IGpuKernel
{
    public ArrayView<float> X, Y, Taps;
    public Windows3x3 Windows;

    public readonly void Run()
    {
        long thread = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        int position = (int)(thread / Windows.PerPosition), c = 4 * (int)(thread - (long)position * Windows.PerPosition), count = Windows.Channels - c;
        int row = position / Windows.OutWidth, n = row / Windows.OutHeight;
        if (n >= Windows.Batch) return;
        int top = Windows.Stride * (row - n * Windows.OutHeight) - Windows.Padding, left = Windows.Stride * (position - row * Windows.OutWidth) - Windows.Padding;
        int firstA = top < 0 ? 1 : 0, lastA = IntrinsicMath.Min(2, Windows.Height - 1 - top);
        int firstB = left < 0 ? 1 : 0, lastB = IntrinsicMath.Min(2, Windows.Width - 1 - left);
        long window = (((long)n * Windows.Height + top) * Windows.Width + left) * Windows.Channels + c;
        var best = Load(window, firstA, firstB, count);
        var tap = LanesFour.Broadcast(3 * firstA + firstB);
        for (int a = firstA; a <= lastA; a++)
            for (int b = firstB; b <= lastB; b++)
            {
                var value = Load(window, a, b, count);
                tap = LanesFour.SelectGreater(value, best, LanesFour.Broadcast(3 * a + b), tap);
                best = LanesFour.SelectGreater(value, best, value, best);
            }
        long to = (long)position * Windows.Channels + c;
        GpuLoad.Store(Y, to, count, Windows.Vectors, best.Values);
        GpuLoad.Store(Taps, to, count, Windows.Vectors, tap.Values);
    }

    private readonly LanesFour Load(long window, int a, int b, int count) =>
        new(GpuLoad.Four(X, window + ((long)a * Windows.Width + b) * Windows.Channels, count, Windows.Vectors));
}

internal struct MaxPoolGradKernel : IGpuKernel
{
    public ArrayView<float> Dy, Taps, Dx;
    public Windows3x3 Windows;
    public int Accumulate;

    public readonly void Run()
    {
        long thread = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        int position = (int)(thread / Windows.PerPosition), c = 4 * (int)(thread - (long)position * Windows.PerPosition), count = Windows.Channels - c;
        int item = position / Windows.Width, column = position - item * Windows.Width, n = item / Windows.Height, row = item - n * Windows.Height;
        if (n >= Windows.Batch) return;
        int lastI = IntrinsicMath.Min((row + Windows.Padding) / Windows.Stride, Windows.OutHeight - 1);
        int lastJ = IntrinsicMath.Min((column + Windows.Padding) / Windows.Stride, Windows.OutWidth - 1);
        long to = (long)position * Windows.Channels + c;
        var sum = Accumulate != 0 ? new LanesFour(GpuLoad.Four(Dx, to, count, Windows.Vectors)) : LanesFour.Zero;
        for (int i = Windows.First(row); i <= lastI; i++)
            for (int j = Windows.First(column); j <= lastJ; j++)
            {
                long at = (((long)n * Windows.OutHeight + i) * Windows.OutWidth + j) * Windows.Channels + c;
                var tap = LanesFour.Broadcast(3 * (row - Windows.Stride * i + Windows.Padding) + column - Windows.Stride * j + Windows.Padding);
                var distance = LanesFour.Abs(new LanesFour(GpuLoad.Four(Taps, at, count, Windows.Vectors)) - tap);
                var value = new LanesFour(GpuLoad.Four(Dy, at, count, Windows.Vectors));
                sum += LanesFour.SelectGreater(distance, LanesFour.Broadcast(0.5f), LanesFour.Zero, value);
            }
        GpuLoad.Store(Dx, to, count, Windows.Vectors, sum.Values);
    }
}
