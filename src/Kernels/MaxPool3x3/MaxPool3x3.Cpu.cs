using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.MaxPool3x3Forward(TensorView x, int stride, int padding, TensorView y, TensorView taps)
    {
        var job = new MaxPoolJob(x.Pointer, y.Pointer, taps.Pointer, x.Shape, y.Shape, stride, padding);
        Pool.Run(ref job, x.Shape[0] * y.Shape[1]);
    }

    /// <inheritdoc/>
    void IKernels.MaxPool3x3Backward(TensorView dy, TensorView taps, int stride, int padding, TensorView dx, bool accumulate)
    {
        var job = new MaxPoolGradJob(dy.Pointer, taps.Pointer, dx.Pointer, dx.Shape, dy.Shape, stride, padding, accumulate);
        Pool.Run(ref job, dx.Shape[0] * dx.Shape[1]);
    }

    /// <summary>One row of the output per item.</summary>
    private readonly struct MaxPoolJob(float* x, float* y, float* taps, Shape shape, Shape pooled, int stride, int padding) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            if (Avx512F.IsSupported) Run<Lanes512>(item);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(item);
            else Run<Lanes128>(item);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(int row)
            where V : unmanaged, ILanes<V>
        {
            int height = shape[1], width = shape[2], channels = shape[3], outHeight = pooled[1], outWidth = pooled[2];
            int n = row / outHeight, top = stride * (row % outHeight) - padding, firstA = top < 0 ? 1 : 0, lastA = Math.Min(2, height - 1 - top);
            for (int j = 0; j < outWidth; j++)
            {
                int left = stride * j - padding, firstB = left < 0 ? 1 : 0, lastB = Math.Min(2, width - 1 - left);
                // Addresses of taps outside the image are formed, never read.
                float* window = x + (((nint)n * height + top) * width + left) * channels;
                nint to = ((nint)row * outWidth + j) * channels;
                for (int c = 0; c < channels; c += V.Count)
                {
                    int count = Math.Min(V.Count, channels - c);
                    V best = LoadUpTo<V>(window + ((nint)firstA * width + firstB) * channels + c, count), tap = V.Broadcast(3 * firstA + firstB);
                    for (int a = firstA; a <= lastA; a++)
                        for (int b = firstB; b <= lastB; b++)
                        {
                            V value = LoadUpTo<V>(window + ((nint)a * width + b) * channels + c, count);
                            tap = V.SelectGreater(value, best, V.Broadcast(3 * a + b), tap);
                            best = V.SelectGreater(value, best, value, best);
                        }
                    StoreUpTo(y + to + c, best, count);
                    StoreUpTo(taps + to + c, tap, count);
                }
            }
        }
    }

    /// <summary>One row of the input's gradient per item: it looks at the rows and columns of windows that see an element.</summary>
    private readonly struct MaxPoolGradJob(float* dy, float* taps, float* dx, Shape shape, Shape pooled, int stride, int padding, bool accumulate) : IWorkerJob
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
            int height = shape[1], width = shape[2], channels = shape[3], outHeight = pooled[1], outWidth = pooled[2];
            int n = item / height, row = item % height, firstI = First(row), lastI = Math.Min((row + padding) / stride, outHeight - 1);
            for (int column = 0; column < width; column++)
            {
                int firstJ = First(column), lastJ = Math.Min((column + padding) / stride, outWidth - 1);
                float* to = dx + ((nint)item * width + column) * channels;
                for (int c = 0; c < channels; c += V.Count)
                {
                    int count = Math.Min(V.Count, channels - c);
                    V sum = accumulate ? LoadUpTo<V>(to + c, count) : V.Zero;
                    for (int i = firstI; i <= lastI; i++)
                        for (int j = firstJ; j <= lastJ; j++)
                        {
                            nint at = (((nint)n * outHeight + i) * outWidth + j) * channels + c;
                            V distance = V.Abs(LoadUpTo<V>(taps + at, count) - V.Broadcast(3 * (row - stride * i + padding) + column - stride * j + padding));
                            sum += V.SelectGreater(V.Broadcast(0.5f), distance, LoadUpTo<V>(dy + at, count), V.Zero);
                        }
                    StoreUpTo(to + c, sum, count);
                }
            }
        }

        /// <summary>The first window that sees a row or column.</summary>
        private int First(int at) => Math.Max(0, (at + padding - 2 + stride - 1) / stride);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V LoadUpTo<V>(float* source, int count)
        where V : unmanaged, ILanes<V> => count == V.Count ? V.Load(source) : V.LoadPartial(source, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreUpTo<V>(float* destination, V value, int count)
        where V : unmanaged, ILanes<V>
    {
        if (count == V.Count) V.Store(destination, value);
        else V.StorePartial(destination, value, count);
    }
}
