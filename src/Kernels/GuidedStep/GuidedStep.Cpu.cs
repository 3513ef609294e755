using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Elements of one item. Up to twice as many are done by the caller alone: they take no longer than to wake another thread.
    private const int StepChunk = 16384;

    // Drawing a normal number takes about as long as the rest of the step for so many elements within the caches.
    private const int DrawingWeight = 8;

    /// <inheritdoc/>
    public void GuidedStep(in GuidedStepRow row, ulong seed, in GuidedStepTensors tensors)
    {
        Shape shape = tensors.Z.Shape;
        long count = shape.Count;
        int channels = shape.Channels, rows = shape.Batch;
        bool doubled = tensors.Prediction.Shape.Channels != channels, partly = row.GuidedChannels > 0 && row.GuidedChannels < channels;
        // Where channels differ, a tile holds whole groups of 4 pixels: whole pixels, and whole blocks of random numbers.
        int unit = doubled || partly ? 4 * channels : 4;
        CheckStep(row, tensors, rows, unit);
        bool noisy = !row.NoNoise && (row.LearnedVariance || row.C != 0), draws = noisy && tensors.Noise.IsEmpty;
        fixed (GuidedStepRow* coefficients = &row)
        {
            var job = new GuidedStepJob
            {
                Row = coefficients, Seed = seed, Noisy = noisy, Draws = draws, Doubled = doubled, Partly = partly,
                Secondary = row.E != 0 || row.Q != 0 || row.StoreState || !tensors.Denoised.IsEmpty,
                Channels = channels, Tile = NoiseTile / unit * unit,
                Prediction = tensors.Prediction.Pointer, Scale = tensors.Scale.Pointer, NullRow = (int*)tensors.NullRow.Pointer,
                SampleIndex = (uint*)tensors.SampleIndex.Pointer, Noise = tensors.Noise.Pointer, Z = tensors.Z.Pointer,
                History = tensors.History.Pointer, State = tensors.State.Pointer, Denoised = tensors.Denoised.Pointer,
                Y = tensors.Y.IsEmpty ? tensors.Z.Pointer : tensors.Y.Pointer,
                Rows = rows, RowLength = count / rows, RowsPerItem = rows, ChunksPerRow = 1, Chunk = count,
            };
            // The partition follows from the shape and the row alone, and no element depends on it.
            long chunk = draws ? StepChunk / DrawingWeight : StepChunk;
            if (count <= 2 * chunk)
            {
                job.Execute(0, 0);
                return;
            }
            job.RowsPerItem = (int)Math.Max(1, chunk / job.RowLength);
            job.Chunk = chunk / unit * unit;
            job.ChunksPerRow = (int)((job.RowLength + job.Chunk - 1) / job.Chunk);
            Pool.Run(ref job, checked((rows + job.RowsPerItem - 1) / job.RowsPerItem * job.ChunksPerRow));
        }
    }

    private static void CheckStep(in GuidedStepRow row, in GuidedStepTensors tensors, int rows, int unit)
    {
        GuidedStepCheck.Require(row, tensors);
        if (unit > NoiseTile)
            throw new ArgumentException($"The guided step takes variance channels, and guides some channels only, of at most {NoiseTile / 4} channels; got {tensors.Z.Shape.Channels}.");
        if (tensors.NullRow.IsEmpty) return;
        int* nullRow = (int*)tensors.NullRow.Pointer;
        int predicted = tensors.Prediction.Shape.Batch;
        for (int i = 0; i < rows; i++)
            if (nullRow[i] >= predicted) throw new ArgumentException($"Sample {i} has null row {nullRow[i]}, but the prediction is {tensors.Prediction.Shape}.");
    }

    private partial struct GuidedStepJob : IWorkerJob
    {
        public GuidedStepRow* Row;
        public ulong Seed;
        public bool Secondary, Noisy, Draws, Doubled, Partly;
        public float* Prediction, Scale, Noise, Z, History, State, Denoised, Y;
        public int* NullRow;
        public uint* SampleIndex;
        public long RowLength, Chunk;
        public int Rows, RowsPerItem, Channels, Tile, ChunksPerRow;

        /// <summary>What a stretch of a sample reads beside the states: contiguous, wherever it came from.</summary>
        private struct Sources
        {
            public float* Conditional, Null, Variance, Noise;
            public float Scale;
        }

        public readonly void Execute(int item, int worker)
        {
            int group = item, chunk = 0;
            if (ChunksPerRow > 1) (group, chunk) = Math.DivRem(item, ChunksPerRow);
            int first = group * RowsPerItem, end = Math.Min(first + RowsPerItem, Rows);
            long start = chunk * Chunk, length = Math.Min(Chunk, RowLength - start);
            if (Avx512F.IsSupported) Run<Lanes512>(first, end, start, length);
            else if (Fma.IsSupported && Avx2.IsSupported) Run<Lanes256>(first, end, start, length);
            else Run<Lanes128>(first, end, start, length);
        }

        /// <summary>Elements <paramref name="start"/> to start + length - 1 of samples <paramref name="first"/> to end - 1.</summary>
        private readonly void Run<V>(int first, int end, long start, long length)
            where V : unmanaged, ILanes<V>
        {
            for (int row = first; row < end; row++)
            {
                int nullRow = NullRow == null ? -1 : NullRow[row];
                var sources = new Sources { Scale = nullRow < 0 ? 1 : Scale[row] };
                long at = row * RowLength + start, spread = Doubled ? 2 : 1;
                sources.Conditional = Prediction + spread * at;
                if (sources.Scale != 1) sources.Null = Prediction + spread * (nullRow * RowLength + start);
                if (Noisy && !Draws) sources.Noise = Noise + at;
                if (Doubled || Draws || Partly) StepTiles<V>(sources, row, start, length);
                else Step<V>(sources, at, (nint)length);
            }
        }

        /// <summary>The step where sources must be made first: variance channels split off, or noise drawn.</summary>
        [SkipLocalsInit]
        [MethodImpl(MethodImplOptions.NoInlining)]
        private readonly void StepTiles<V>(in Sources whole, int row, long start, long length)
            where V : unmanaged, ILanes<V>
        {
            const int Stride = NoiseTile + 16;
            float* tiles = stackalloc float[4 * Stride + 16];
            tiles = AlignTile(tiles);
            var key = new RandomKey(Seed, (uint)Row->StepIndex, RandomStream.StepNoise);
            for (long done = 0; done < length; done += Tile)
            {
                int count = (int)Math.Min(Tile, length - done);
                long at = row * RowLength + start + done;
                var sources = whole;
                if (Draws)
                {
                    // Drawing needs no memory for a while: what the step needs then is on its way meanwhile.
                    int spread = Doubled ? 2 : 1;
                    Prefetch(whole.Conditional + spread * done, spread * count);
                    if (whole.Null != null) Prefetch(whole.Null + spread * done, spread * count);
                    Prefetch(Z + at, count);
                    if (Row->P != 0 || Row->StoreHistory) Prefetch(History + at, count);
                    if (Row->Q != 0 || Row->StoreState) Prefetch(State + at, count);
                    PhiloxLanes.FillNormal(sources.Noise = tiles + 3 * Stride, key, SampleIndex[row], start + done, count);
                }
                else if (Noisy) sources.Noise += done;
                if (Doubled)
                {
                    sources.Conditional = tiles;
                    ChannelHalf.Copy(whole.Conditional + 2 * done, count, Channels, second: false, tiles);
                    if (whole.Null != null) ChannelHalf.Copy(whole.Null + 2 * done, count, Channels, second: false, sources.Null = tiles + Stride);
                    if (Noisy && Row->LearnedVariance)
                        ChannelHalf.Copy(whole.Conditional + 2 * done, count, Channels, second: true, sources.Variance = tiles + 2 * Stride);
                }
                else
                {
                    sources.Conditional += done;
                    if (whole.Null != null) sources.Null += done;
                }
                if (Partly && whole.Null != null) sources.Null = HideUnguided(sources, count, tiles + Stride);
                Step<V>(sources, at, count);
            }
        }

        /// <summary>The null prediction with the conditional one in place of the channels that are not guided: between equals, no scale makes a difference.</summary>
        private readonly float* HideUnguided(in Sources sources, int count, float* tile)
        {
            int guided = Row->GuidedChannels;
            for (nint i = 0; i < count; i += Channels)
                for (nint c = 0; c < Channels; c++)
                    tile[i + c] = (c < guided ? sources.Null : sources.Conditional)[i + c];
            return tile;
        }

        private static void Prefetch(float* from, int count)
        {
            if (!Sse.IsSupported) return;
            for (nint i = 0; i < count; i += 16) Sse.Prefetch0(from + i);
        }
    }
}
