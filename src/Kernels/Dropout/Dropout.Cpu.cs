using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.DropoutForward(TensorView x, float probability, ulong seed, uint step, uint layer, TensorView sampleIndex, TensorView y) =>
        Ops.DropoutBackward(x, probability, seed, step, layer, sampleIndex, y, accumulate: false);

    /// <inheritdoc/>
    void IKernels.DropoutBackward(
        TensorView dy, float probability, ulong seed, uint step, uint layer, TensorView sampleIndex, TensorView dx, bool accumulate)
    {
        var job = new DropoutJob(
            dy.Pointer, probability, new RandomKey(seed, step, RandomStream.Dropout, layer), (uint*)sampleIndex.Pointer, dx.Pointer,
            dx.Shape.RowCount, accumulate);
        Pool.Run(ref job, checked(dx.Shape.Batch * Chunks(dx.Shape.RowCount)));
    }

    private readonly struct DropoutJob(
        float* x, float probability, RandomKey key, uint* sampleIndex, float* y, long rowLength, bool accumulate) : IWorkerJob
    {
        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            float* uniform = stackalloc float[NoiseTile + 16];
            uniform = AlignTile(uniform);
            RowChunk(item, rowLength, out int row, out long start, out int length);
            for (int i = 0; i < length; i += NoiseTile)
            {
                int count = Math.Min(NoiseTile, length - i);
                long at = row * rowLength + start + i;
                PhiloxLanes.FillUniform(uniform, key, sampleIndex[row], start + i, count);
                if (Avx512F.IsSupported) Mask<Lanes512>(x + at, uniform, y + at, count);
                else if (Fma.IsSupported && Avx2.IsSupported) Mask<Lanes256>(x + at, uniform, y + at, count);
                else Mask<Lanes128>(x + at, uniform, y + at, count);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Mask<V>(float* from, float* uniform, float* to, nint count)
            where V : unmanaged, ILanes<V>
        {
            V dropped = V.Broadcast(probability), factor = V.Broadcast(1f / (1f - probability));
            nint i = 0;
            for (; i <= count - V.Count; i += V.Count)
            {
                V value = V.SelectGreater(V.Load(uniform + i), dropped, V.Load(from + i) * factor, V.Zero);
                V.Store(to + i, accumulate ? V.Load(to + i) + value : value);
            }
            int rest = (int)(count - i);
            if (rest == 0) return;
            V tail = V.SelectGreater(V.LoadPartial(uniform + i, rest), dropped, V.LoadPartial(from + i, rest) * factor, V.Zero);
            V.StorePartial(to + i, accumulate ? V.LoadPartial(to + i, rest) + tail : tail, rest);
        }
    }
}
