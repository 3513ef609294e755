using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.LogSoftmaxForward(TensorView x, TensorView y)
    {
        var job = new LogSoftmaxJob(x.Pointer, y.Pointer, y.Count / y.Shape.Channels, y.Shape.Channels);
        Pool.Run(ref job, RowItems(y));
    }

    /// <inheritdoc/>
    void IKernels.LogSoftmaxBackward(TensorView y, TensorView dy, TensorView dx, bool accumulate)
    {
        var job = new LogSoftmaxGradientJob(y.Pointer, dy.Pointer, dx.Pointer, y.Count / y.Shape.Channels, y.Shape.Channels, accumulate);
        Pool.Run(ref job, RowItems(y));
    }

    /// <summary>Rows along the last dimension that make up one item of work.</summary>
    private static int RowsPerItem(int width) => Math.Clamp(ChunkLength / width, 1, 256);

    private static int RowItems(TensorView x) =>
        checked((int)((x.Count / x.Shape.Channels + RowsPerItem(x.Shape.Channels) - 1) / RowsPerItem(x.Shape.Channels)));

    /// <summary>Largest element, and the logarithm of the sum of e^(x - largest).</summary>
    private static (float Max, float LogSum) LogSumExp(float* x, int width)
    {
        if (Avx512F.IsSupported) return LogSumExp<Lanes512>(x, width);
        if (Fma.IsSupported && Avx2.IsSupported) return LogSumExp<Lanes256>(x, width);
        return LogSumExp<Lanes128>(x, width);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Max, float LogSum) LogSumExp<V>(float* x, nint width)
        where V : unmanaged, ILanes<V>
    {
        nint full = width - width % V.Count;
        V largest = V.Broadcast(x[0]);
        for (nint i = 0; i < full; i += V.Count) largest = V.Max(largest, V.Load(x + i));
        float max = V.MaxElement(largest);
        for (nint i = full; i < width; i++) max = MathF.Max(max, x[i]);
        V shift = V.Broadcast(max), sums = V.Zero;
        for (nint i = 0; i < full; i += V.Count) sums += LanesMath.Exp(V.Load(x + i) - shift);
        double sum = V.Sum(sums);
        for (nint i = full; i < width; i++) sum += Math.Exp((double)x[i] - max);
        return (max, (float)Math.Log(sum));
    }

    private readonly struct LogSoftmaxJob(float* x, float* y, long rows, int width) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                float* from = x + (nint)row * width, to = y + (nint)row * width;
                var (max, logSum) = LogSumExp(from, width);
                for (int i = 0; i < width; i++) to[i] = from[i] - max - logSum;
            }
        }
    }

    private readonly struct LogSoftmaxGradientJob(float* y, float* dy, float* dx, long rows, int width, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            for (long row = (long)item * RowsPerItem(width); row < Math.Min(rows, (item + 1L) * RowsPerItem(width)); row++)
            {
                nint start = (nint)row * width;
                double sum = 0;
                for (int i = 0; i < width; i++) sum += dy[start + i];
                if (Avx512F.IsSupported) Run<Lanes512>(start, (float)sum);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(start, (float)sum);
                else Run<Lanes128>(start, (float)sum);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint start, float sum)
            where V : unmanaged, ILanes<V>
        {
            V sums = V.Broadcast(sum);
            for (nint i = start; i < start + width; i += V.Count)
            {
                int live = (int)Math.Min(V.Count, start + width - i);
                if (live == V.Count)
                {
                    V value = V.Load(dy + i) - sums * LanesMath.Exp(V.Load(y + i));
                    V.Store(dx + i, accumulate ? V.Load(dx + i) + value : value);
                }
                else
                {
                    V value = V.LoadPartial(dy + i, live) - sums * LanesMath.Exp(V.LoadPartial(y + i, live));
                    V.StorePartial(dx + i, accumulate ? V.LoadPartial(dx + i, live) + value : value, live);
                }
            }
        }
    }
}
