using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.PixelSum(TensorView x, TensorView y, bool accumulate)
    {
        var job = new PixelSumJob(x.Pointer, y.Pointer, (nint)(x.Shape.RowCount / x.Shape.Channels), x.Shape.Channels, accumulate);
        Pool.Run(ref job, x.Shape.Batch);
    }

    private readonly struct PixelSumJob(float* x, float* y, nint pixels, nint channels, bool accumulate) : IWorkerJob
    {
        public void Execute(int item, int worker)
        {
            if (Avx512F.IsSupported) Run<Lanes512>(x + item * pixels * channels, y + item * channels);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(x + item * pixels * channels, y + item * channels);
            else Run<Lanes128>(x + item * pixels * channels, y + item * channels);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* from, float* to)
            where V : unmanaged, ILanes<V>
        {
            for (nint c = 0; c < channels; c += V.Count)
            {
                int live = (int)Math.Min(V.Count, channels - c);
                V sum = V.Zero;
                for (nint p = 0; p < pixels; p++)
                    sum += live == V.Count ? V.Load(from + p * channels + c) : V.LoadPartial(from + p * channels + c, live);
                if (accumulate) sum += V.LoadPartial(to + c, live);
                V.StorePartial(to + c, sum, live);
            }
        }
    }
}
