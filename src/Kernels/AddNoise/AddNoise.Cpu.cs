using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    void IKernels.AddNoise(TensorView x, TensorView alpha, TensorView sigma, TensorView noise, TensorView z) =>
        RunAddNoise(new AddNoiseJob
        {
            X = x.Pointer, Alpha = alpha.Pointer, Sigma = sigma.Pointer, Noise = noise.Pointer, Z = z.Pointer, RowLength = x.Shape.RowCount,
        }, x.Shape.Batch);

    /// <inheritdoc/>
    void IKernels.AddNoise(
        TensorView x, TensorView alpha, TensorView sigma, TensorView sampleIndex, ulong seed, uint step, PredictionTarget prediction,
        TensorView z, TensorView target) =>
        RunAddNoise(new AddNoiseJob
        {
            X = x.Pointer, Alpha = alpha.Pointer, Sigma = sigma.Pointer, SampleIndex = (uint*)sampleIndex.Pointer, Z = z.Pointer,
            Target = target.Pointer, RowLength = x.Shape.RowCount, Key = new RandomKey(seed, step, RandomStream.StepNoise), Prediction = prediction,
        }, x.Shape.Batch);

    private void RunAddNoise(AddNoiseJob job, int rows) => Pool.Run(ref job, checked(rows * Chunks(job.RowLength)));

    private struct AddNoiseJob : IWorkerJob
    {
        public float* X, Alpha, Sigma, Noise, Z, Target;
        public uint* SampleIndex;
        public long RowLength;
        public RandomKey Key;
        public PredictionTarget Prediction;

        [SkipLocalsInit]
        public readonly void Execute(int item, int worker)
        {
            float* tile = stackalloc float[NoiseTile + 16];
            tile = AlignTile(tile);
            RowChunk(item, RowLength, out int row, out long start, out int length);
            for (int i = 0; i < length; i += NoiseTile)
            {
                int count = Math.Min(NoiseTile, length - i);
                long at = row * RowLength + start + i;
                float* noise = Noise + at;
                if (Noise == null) PhiloxLanes.FillNormal(noise = tile, Key, SampleIndex[row], start + i, count);
                if (Avx512F.IsSupported) Mix<Lanes512>(row, at, noise, count);
                else if (Fma.IsSupported && Avx2.IsSupported) Mix<Lanes256>(row, at, noise, count);
                else Mix<Lanes128>(row, at, noise, count);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Mix<V>(int row, long at, float* noise, int count)
            where V : unmanaged, ILanes<V>
        {
            float* x = X + at, z = Z + at, target = Target + at;
            V alpha = V.Broadcast(Alpha[row]), sigma = V.Broadcast(Sigma[row]);
            bool wanted = Target != null;
            nint i = 0;
            for (; i <= count - V.Count; i += V.Count)
            {
                V clean = V.Load(x + i), n = V.Load(noise + i);
                V.Store(z + i, V.MultiplyAdd(alpha, clean, sigma * n));
                if (wanted) V.Store(target + i, TargetOf(alpha, sigma, clean, n));
            }
            int rest = (int)(count - i);
            if (rest == 0) return;
            V lastClean = V.LoadPartial(x + i, rest), lastNoise = V.LoadPartial(noise + i, rest);
            V.StorePartial(z + i, V.MultiplyAdd(alpha, lastClean, sigma * lastNoise), rest);
            if (wanted) V.StorePartial(target + i, TargetOf(alpha, sigma, lastClean, lastNoise), rest);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly V TargetOf<V>(V alpha, V sigma, V clean, V noise)
            where V : unmanaged, ILanes<V> => Prediction switch
            {
                PredictionTarget.Eps => noise,
                PredictionTarget.X0 => clean,
                _ => V.MultiplyAdd(alpha, noise, V.Zero - sigma * clean),
            };
    }
}
