using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.ConcatForward(TensorView a, TensorView b, TensorView y)
    {
        int left = a.Shape.Channels, right = b.Shape.Channels;
        CopyChannels(a.Pointer, left, y.Pointer, left + right, left, y.Count / (left + right), accumulate: false);
        CopyChannels(b.Pointer, right, y.Pointer + left, left + right, right, y.Count / (left + right), accumulate: false);
    }

    /// <inheritdoc/>
    void IKernels.ConcatBackward(TensorView dy, TensorView da, bool accumulateDa, TensorView db, bool accumulateDb)
    {
        int channels = dy.Shape.Channels;
        if (!da.IsEmpty)
        {
            int left = da.Shape.Channels;
            CopyChannels(dy.Pointer, channels, da.Pointer, left, left, da.Count / left, accumulateDa);
        }
        if (db.IsEmpty) return;
        int right = db.Shape.Channels;
        CopyChannels(dy.Pointer + channels - right, channels, db.Pointer, right, right, db.Count / right, accumulateDb);
    }

    /// <summary>Copies, or adds, some neighbouring channels of every position from one tensor to another.</summary>
    private void CopyChannels(float* from, int fromStride, float* to, int toStride, int channels, long positions, bool accumulate)
    {
        var job = new CopyChannelsJob(from, fromStride, to, toStride, channels, positions, accumulate);
        Pool.Run(ref job, checked((int)((positions + job.PositionsPerItem - 1) / job.PositionsPerItem)));
    }

    private readonly struct CopyChannelsJob(
        float* from, nint fromStride, float* to, nint toStride, int channels, long positions, bool accumulate) : IWorkerJob
    {
        public long PositionsPerItem => Math.Max(1, ChunkLength / channels);

        public void Execute(int item, int worker)
        {
            nint first = (nint)(item * PositionsPerItem), count = (nint)Math.Min(PositionsPerItem, positions - first);
            if (Avx512F.IsSupported) Run<Lanes512>(from + first * fromStride, to + first * toStride, count);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(from + first * fromStride, to + first * toStride, count);
            else Run<Lanes128>(from + first * fromStride, to + first * toStride, count);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private void Run<V>(float* source, float* destination, nint count)
            where V : unmanaged, ILanes<V>
        {
            nint full = channels - channels % V.Count;
            for (nint p = 0; p < count; p++, source += fromStride, destination += toStride)
            {
                if (accumulate)
                {
                    for (nint c = 0; c < full; c += V.Count) V.Store(destination + c, V.Load(destination + c) + V.Load(source + c));
                    for (nint c = full; c < channels; c++) destination[c] += source[c];
                }
                else
                {
                    for (nint c = 0; c < full; c += V.Count) V.Store(destination + c, V.Load(source + c));
                    for (nint c = full; c < channels; c++) destination[c] = source[c];
                }
            }
        }
    }
}
