using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <inheritdoc/>
    public void GuidedStep(
        in GuidedStepRow row, ulong seed, TensorView prediction, TensorView scale, TensorView nullRow, TensorView sampleIndex, TensorView noise,
        TensorView z, TensorView history, TensorView state, TensorView denoised, TensorView y)
    {
        int channels = z.Shape.Channels, rows = z.Shape.Batch;
        bool doubled = prediction.Shape.Channels != channels;
        if ((row.P != 0 || row.StoreHistory) && history.IsEmpty || (row.Q != 0 || row.StoreState) && state.IsEmpty)
            throw new ArgumentException($"The sampler row needs a history tensor that was not given: {row}.");
        if (row.LearnedVariance && !doubled)
            throw new ArgumentException($"The sampler row takes its variance from the network, whose {channels} output channels hold none.");
        // A tile of a doubled prediction holds whole groups of 4 pixels: whole pixels, and whole blocks of random numbers.
        int unit = doubled ? 4 * channels : 4;
        if (unit > NoiseTile)
            throw new ArgumentException($"The guided step takes variance channels of at most {NoiseTile / 4} channels; got {channels}.");
        if (!nullRow.IsEmpty)
            for (int i = 0; i < rows; i++)
                if (((int*)nullRow.Pointer)[i] >= prediction.Shape.Batch)
                    throw new ArgumentException($"Sample {i} has null row {((int*)nullRow.Pointer)[i]}, but the prediction is {prediction.Shape}.");
        var job = new GuidedStepJob
        {
            Row = row, Key = new RandomKey(seed, (uint)row.StepIndex, RandomStream.StepNoise),
            VarianceSlope = 0.25f * (row.LogVarMax - row.LogVarMin), VarianceMiddle = 0.25f * (row.LogVarMax + row.LogVarMin),
            Noisy = !row.NoNoise && (row.LearnedVariance || row.C != 0),
            Prediction = prediction.Pointer, Scale = scale.Pointer, NullRow = (int*)nullRow.Pointer, SampleIndex = (uint*)sampleIndex.Pointer,
            Noise = noise.Pointer, Z = z.Pointer, History = history.Pointer, State = state.Pointer, Denoised = denoised.Pointer, Y = y.Pointer,
            RowLength = z.Shape.RowCount, PredictionRowLength = prediction.Shape.RowCount,
            Channels = channels, Doubled = doubled, Tile = NoiseTile / unit * unit, Chunk = ChunkLength / unit * unit,
        };
        job.ChunksPerRow = (int)((job.RowLength + job.Chunk - 1) / job.Chunk);
        Pool.Run(ref job, checked(rows * job.ChunksPerRow));
    }

    private struct GuidedStepJob : IWorkerJob
    {
        public GuidedStepRow Row;
        public RandomKey Key;
        public float VarianceSlope, VarianceMiddle;
        public bool Noisy, Doubled;
        public float* Prediction, Scale, Noise, Z, History, State, Denoised, Y;
        public int* NullRow;
        public uint* SampleIndex;
        public long RowLength, PredictionRowLength;
        public int Channels, Tile, Chunk, ChunksPerRow;

        /// <summary>What one tile reads beside the states: contiguous, wherever it came from.</summary>
        private struct Sources
        {
            public float* Conditional, Null, Variance, Noise;
            public float Scale;
        }

        [SkipLocalsInit]
        public readonly void Execute(int item, int worker)
        {
            const int Stride = NoiseTile + 16;
            float* tiles = stackalloc float[4 * Stride + 16];
            tiles = AlignTile(tiles);
            var (row, chunk) = Math.DivRem(item, ChunksPerRow);
            long start = (long)chunk * Chunk, end = Math.Min(start + Chunk, RowLength);
            int nullRow = NullRow == null ? -1 : NullRow[row];
            var sources = new Sources { Scale = nullRow < 0 ? 1 : Scale[row] };
            bool guided = sources.Scale != 1;
            for (long at = start; at < end; at += Tile)
            {
                int count = (int)Math.Min(Tile, end - at);
                int spread = Doubled ? 2 : 1;
                sources.Conditional = Prediction + row * PredictionRowLength + spread * at;
                sources.Null = guided ? Prediction + nullRow * PredictionRowLength + spread * at : null;
                if (Doubled)
                {
                    int pixels = count / Channels;
                    sources.Variance = Noisy && Row.LearnedVariance ? tiles + 2 * Stride : null;
                    Separate(sources.Conditional, pixels, Channels, tiles, sources.Variance);
                    sources.Conditional = tiles;
                    if (guided)
                    {
                        Separate(sources.Null, pixels, Channels, tiles + Stride, null);
                        sources.Null = tiles + Stride;
                    }
                }
                if (Noisy)
                {
                    sources.Noise = Noise + row * RowLength + at;
                    if (Noise == null) PhiloxLanes.FillNormal(sources.Noise = tiles + 3 * Stride, Key, SampleIndex[row], at, count);
                }
                if (Avx512F.IsSupported) Step<Lanes512>(sources, row * RowLength + at, count);
                else if (Fma.IsSupported && Avx2.IsSupported) Step<Lanes256>(sources, row * RowLength + at, count);
                else Step<Lanes128>(sources, row * RowLength + at, count);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Step<V>(in Sources sources, long at, int count)
            where V : unmanaged, ILanes<V>
        {
            // One copy of the body for whole and partial vectors: two would exceed what the compiler is willing to inline.
            for (int i = IsPlain(sources) ? PlainStep<V>(sources, at, count) : 0; i < count; i += V.Count)
                Step<V>(sources, i, at + i, Math.Min(V.Count, count - i));
        }

        /// <summary>Whether guidance, at most one history and no noise are all there is: most steps of the usual samplers.</summary>
        private readonly bool IsPlain(in Sources sources) =>
            sources.Null != null && !Noisy && Row.E == 0 && Row.Q == 0 && !Row.StoreState && Denoised == null;

        /// <summary>The whole vectors of a plain step, to the bit as below, with all coefficients in registers. Returns the elements done.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly int PlainStep<V>(in Sources sources, long at, int count)
            where V : unmanaged, ILanes<V>
        {
            float* conditional = sources.Conditional, unconditional = sources.Null, state = Z + at, history = History + at, next = Y + at;
            V scale = V.Broadcast(sources.Scale), xFromG = V.Broadcast(Row.XFromG), xFromZ = V.Broadcast(Row.XFromZ);
            V low = V.Broadcast(Row.ClipLow), high = V.Broadcast(Row.ClipHigh), a = V.Broadcast(Row.A), b = V.Broadcast(Row.B), p = V.Broadcast(Row.P);
            V historyFromX = V.Broadcast(Row.HistoryFromX), historyFromZ = V.Broadcast(Row.HistoryFromZ);
            bool clips = Row.Clip, reads = Row.P != 0, stores = Row.StoreHistory;
            nint i = 0;
            for (; i <= count - V.Count; i += V.Count)
            {
                V z = V.Load(state + i), e0 = V.Load(unconditional + i);
                V g = V.MultiplyAdd(scale, V.Load(conditional + i) - e0, e0);
                V x = V.MultiplyAdd(xFromG, g, xFromZ * z);
                if (clips) x = V.Min(high, V.Max(low, x));
                V y = V.MultiplyAdd(b, x, a * z);
                if (reads) y = V.MultiplyAdd(p, V.Load(history + i), y);
                if (stores) V.Store(history + i, V.MultiplyAdd(historyFromX, x, historyFromZ * z));
                V.Store(next + i, y);
            }
            return (int)i;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly void Step<V>(in Sources sources, nint i, long at, int count)
            where V : unmanaged, ILanes<V>
        {
            V z = Read<V>(Z + at, count), g = Read<V>(sources.Conditional + i, count);
            if (sources.Null != null)
            {
                V e0 = Read<V>(sources.Null + i, count);
                g = V.MultiplyAdd(V.Broadcast(sources.Scale), g - e0, e0);
            }
            V x = V.MultiplyAdd(V.Broadcast(Row.XFromG), g, V.Broadcast(Row.XFromZ) * z);
            // In this order of arguments a NaN stays one.
            if (Row.Clip) x = V.Min(V.Broadcast(Row.ClipHigh), V.Max(V.Broadcast(Row.ClipLow), x));
            V y = V.MultiplyAdd(V.Broadcast(Row.B), x, V.Broadcast(Row.A) * z);
            if (Row.E != 0) y = V.MultiplyAdd(V.Broadcast(Row.E), g, y);
            if (Row.P != 0) y = V.MultiplyAdd(V.Broadcast(Row.P), Read<V>(History + at, count), y);
            if (Row.Q != 0) y = V.MultiplyAdd(V.Broadcast(Row.Q), Read<V>(State + at, count), y);
            if (Noisy)
            {
                V deviation = V.Broadcast(Row.C);
                if (Row.LearnedVariance)
                    deviation = LanesMath.Exp(V.MultiplyAdd(V.Broadcast(VarianceSlope), Read<V>(sources.Variance + i, count), V.Broadcast(VarianceMiddle)));
                y = V.MultiplyAdd(deviation, Read<V>(sources.Noise + i, count), y);
            }
            if (Row.StoreHistory) Write(History + at, V.MultiplyAdd(V.Broadcast(Row.HistoryFromX), x, V.Broadcast(Row.HistoryFromZ) * z), count);
            if (Row.StoreState) Write(State + at, z, count);
            if (Denoised != null) Write(Denoised + at, x, count);
            Write(Y + at, y, count);
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static V Read<V>(float* source, int count)
            where V : unmanaged, ILanes<V> => count == V.Count ? V.Load(source) : V.LoadPartial(source, count);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static void Write<V>(float* destination, V value, int count)
            where V : unmanaged, ILanes<V>
        {
            if (count == V.Count) V.Store(destination, value);
            else V.StorePartial(destination, value, count);
        }

        /// <summary>Splits pixels of 2 C channels into two planes of C; <paramref name="second"/> may be null.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private static void Separate(float* source, int pixels, int channels, float* first, float* second)
        {
            int pixel = 0;
            if (channels == 1)
            {
                for (; pixel <= pixels - 8; pixel += 8)
                {
                    Vector256<ulong> low = Vector256.Load(source + 2 * pixel).AsUInt64(), high = Vector256.Load(source + 2 * pixel + 8).AsUInt64();
                    Vector256.Narrow(low, high).AsSingle().Store(first + pixel);
                    if (second != null) Vector256.Narrow(low >>> 32, high >>> 32).AsSingle().Store(second + pixel);
                }
            }
            else
            {
                // Copies of 4 floats run over into the next pixel, which is written after them; the last pixel has no next one.
                for (; pixel < pixels - 1; pixel++)
                {
                    float* from = source + (nint)pixel * 2 * channels;
                    for (nint c = 0; c < channels; c += 4)
                    {
                        Vector128.Load(from + c).Store(first + (nint)pixel * channels + c);
                        if (second != null) Vector128.Load(from + channels + c).Store(second + (nint)pixel * channels + c);
                    }
                }
            }
            for (; pixel < pixels; pixel++)
                for (int c = 0; c < channels; c++)
                {
                    first[pixel * channels + c] = source[2 * pixel * channels + c];
                    if (second != null) second[pixel * channels + c] = source[(2 * pixel + 1) * channels + c];
                }
        }
    }
}
