using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.AveragePool2xForward(TensorView x, TensorView y) => Reduce2x(x, y, 0.25f, accumulate: false);

    /// <inheritdoc/>
    void IKernels.AveragePool2xBackward(TensorView dy, TensorView dx, bool accumulate) => Spread2x(dy, dx, 0.25f, accumulate);

    /// <summary>small = factor times the sum over 2 x 2 positions of large.</summary>
    private void Reduce2x(TensorView large, TensorView small, float factor, bool accumulate)
    {
        var job = new Reduce2xJob(large.Pointer, small.Pointer, small.Shape, factor, accumulate);
        Pool.Run(ref job, RowItems2x(small.Shape));
    }

    /// <summary>Each of 2 x 2 positions of large = factor times small.</summary>
    private void Spread2x(TensorView small, TensorView large, float factor, bool accumulate)
    {
        var job = new Spread2xJob(small.Pointer, large.Pointer, small.Shape, factor, accumulate);
        Pool.Run(ref job, RowItems2x(small.Shape));
    }

    private static int RowItems2x(Shape small) => (small[0] * small[1] + RowsPerItem2x(small) - 1) / RowsPerItem2x(small);

    private static int RowsPerItem2x(Shape small) => Math.Max(1, ChunkLength / 4 / (small[2] * small[3]));

    private readonly struct Reduce2xJob(float* large, float* small, Shape shape, float factor, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            int rows = shape[0] * shape[1], perItem = RowsPerItem2x(shape);
            for (int row = item * perItem; row < Math.Min(rows, (item + 1) * perItem); row++)
            {
                if (Avx512F.IsSupported) Run<Lanes512>(row, shape[2], shape[3]);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(row, shape[2], shape[3]);
                else Run<Lanes128>(row, shape[2], shape[3]);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint row, nint width, nint channels)
            where V : unmanaged, ILanes<V>
        {
            float* to = small + row * width * channels, top = large + row * 4 * width * channels, bottom = top + 2 * width * channels;
            nint full = channels - channels % V.Count;
            V scale = V.Broadcast(factor);
            for (nint w = 0; w < width; w++, to += channels, top += 2 * channels, bottom += 2 * channels)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V sum = V.Load(top + c) + V.Load(top + channels + c) + (V.Load(bottom + c) + V.Load(bottom + channels + c));
                    V.Store(to + c, accumulate ? V.MultiplyAdd(scale, sum, V.Load(to + c)) : scale * sum);
                }
                for (nint c = full; c < channels; c++)
                {
                    float value = factor * (top[c] + top[channels + c] + (bottom[c] + bottom[channels + c]));
                    to[c] = accumulate ? to[c] + value : value;
                }
            }
        }
    }

    private readonly struct Spread2xJob(float* small, float* large, Shape shape, float factor, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            int rows = shape[0] * shape[1], perItem = RowsPerItem2x(shape);
            for (int row = item * perItem; row < Math.Min(rows, (item + 1) * perItem); row++)
            {
                if (Avx512F.IsSupported) Run<Lanes512>(row, shape[2], shape[3]);
                else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(row, shape[2], shape[3]);
                else Run<Lanes128>(row, shape[2], shape[3]);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(nint row, nint width, nint channels)
            where V : unmanaged, ILanes<V>
        {
            float* from = small + row * width * channels, top = large + row * 4 * width * channels, bottom = top + 2 * width * channels;
            nint full = channels - channels % V.Count;
            V scale = V.Broadcast(factor);
            for (nint w = 0; w < width; w++, from += channels, top += 2 * channels, bottom += 2 * channels)
            {
                for (nint c = 0; c < full; c += V.Count)
                {
                    V value = scale * V.Load(from + c);
                    Put(top + c, value);
                    Put(top + channels + c, value);
                    Put(bottom + c, value);
                    Put(bottom + channels + c, value);
                }
                for (nint c = full; c < channels; c++)
                {
                    float value = factor * from[c];
                    top[c] = accumulate ? top[c] + value : value;
                    top[channels + c] = accumulate ? top[channels + c] + value : value;
                    bottom[c] = accumulate ? bottom[c] + value : value;
                    bottom[channels + c] = accumulate ? bottom[channels + c] + value : value;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private void Put<V>(float* to, V value)
            where V : unmanaged, ILanes<V> => V.Store(to, accumulate ? V.Load(to) + value : value);
    }
}
