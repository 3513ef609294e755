using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Elements whose random numbers are made at once, on the stack: they stay in the first-level cache until they are used.
    private const int NoiseTile = 1024;

    /// <inheritdoc/>
    void IKernels.NormalNoise(ulong seed, uint step, RandomStream stream, float scale, TensorView sampleIndex, TensorView y)
    {
        var job = new NormalNoiseJob(new RandomKey(seed, step, stream), scale, (uint*)sampleIndex.Pointer, y.Pointer, y.Shape.RowCount);
        Pool.Run(ref job, checked(y.Shape.Batch * Chunks(y.Shape.RowCount)));
    }

    /// <summary>Chunk <paramref name="item"/> of the rows' chunks: chunks never cross rows.</summary>
    private static void RowChunk(int item, long rowLength, out int row, out long start, out int length)
    {
        (row, int chunk) = Math.DivRem(item, Chunks(rowLength));
        start = (long)chunk * ChunkLength;
        length = (int)Math.Min(ChunkLength, rowLength - start);
    }

    private static float* AlignTile(float* tile) => (float*)(((nuint)tile + 63) & ~(nuint)63);

    private readonly struct NormalNoiseJob(RandomKey key, float scale, uint* sampleIndex, float* y, long rowLength) : IWorkerJob
    {
        [SkipLocalsInit]
        public void Execute(int item, int worker)
        {
            float* noise = stackalloc float[NoiseTile + 16];
            noise = AlignTile(noise);
            RowChunk(item, rowLength, out int row, out long start, out int length);
            float* to = y + row * rowLength + start;
            for (int i = 0; i < length; i += NoiseTile)
            {
                int count = Math.Min(NoiseTile, length - i);
                PhiloxLanes.FillNormal(noise, key, sampleIndex[row], start + i, count);
                if (Avx512F.IsSupported) ScaleRow<Lanes512>(noise, to + i, count, scale);
                else if (Fma.IsSupported && Avx2.IsSupported) ScaleRow<Lanes256>(noise, to + i, count, scale);
                else ScaleRow<Lanes128>(noise, to + i, count, scale);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ScaleRow<V>(float* from, float* to, int count, float scale)
        where V : unmanaged, ILanes<V>
    {
        nint i = 0;
        V factor = V.Broadcast(scale);
        for (; i <= count - V.Count; i += V.Count) V.Store(to + i, factor * V.Load(from + i));
        int rest = (int)(count - i);
        if (rest > 0) V.StorePartial(to + i, factor * V.LoadPartial(from + i, rest), rest);
    }
}
