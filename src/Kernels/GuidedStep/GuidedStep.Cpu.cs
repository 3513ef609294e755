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
    void IKernels.GuidedStep(in GuidedStepRow row, ulong seed, in GuidedStepTensors tensors)
    {
        Shape shape = tensors.Z.Shape;
        long count = shape.Count;
        int channels = shape.Channels, rows = shape.Batch;
        bool doubled = !tensors.Prediction.IsEmpty && tensors.Prediction.Shape.Channels != channels, partly = row.GuidedChannels > 0 && row.GuidedChannels < channels;
        // Where channels differ, a tile holds whole groups of 4 pixels: whole pixels, and whole blocks of random numbers.
        int unit = doubled || partly ? 4 * channels : 4;
        bool secondary = GuidedStepCheck.IsSecondary(row, tensors);
        CheckStep(row, tensors, secondary, rows, unit);
        bool noisy = !row.NoNoise && (row.LearnedVariance || row.C != 0), draws = noisy && tensors.Noise.IsEmpty;
        fixed (GuidedStepRow* coefficients = &row)
        {
            var job = new GuidedStepJob
            {
                Row = coefficients, Seed = seed, Noisy = noisy, Draws = draws, Doubled = doubled, Partly = partly,
                Channels = channels, Tile = NoiseTile / unit * unit,
                Prediction = tensors.Prediction.Pointer, Weight = tensors.Weight.Pointer, BranchRow = (int*)tensors.BranchRow.Pointer,
                Branches = tensors.BranchRow.IsEmpty ? 0 : tensors.BranchRow.Shape.Channels, Weights = tensors.Weight.IsEmpty ? 0 : tensors.Weight.Shape.Channels,
                SampleIndex = (uint*)tensors.SampleIndex.Pointer, Noise = tensors.Noise.Pointer, Z = tensors.Z.Pointer,
                History = tensors.History.Pointer,
                Y = tensors.Y.IsEmpty ? tensors.Z.Pointer : tensors.Y.Pointer,
                Rows = rows, RowLength = count / rows, RowsPerItem = rows, ChunksPerRow = 1, Chunk = count,
            };
            if (secondary) job.AddSecondary(tensors);
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

    private static void CheckStep(in GuidedStepRow row, in GuidedStepTensors tensors, bool secondary, int rows, int unit)
    {
        GuidedStepCheck.Require(row, tensors, secondary);
        if (unit > NoiseTile)
            throw new ArgumentException($"The guided step takes variance channels, and guides some channels only, of at most {NoiseTile / 4} channels; got {tensors.Z.Shape.Channels}.");
        if (tensors.BranchRow.IsEmpty) return;
        int* branchRow = (int*)tensors.BranchRow.Pointer;
        int branches = tensors.BranchRow.Shape.Channels, predicted = tensors.Prediction.IsEmpty ? 0 : tensors.Prediction.Shape.Batch;
        for (int i = 0; i < rows * branches; i++)
            if (branchRow[i] >= predicted)
                throw new ArgumentException($"Branch {1 + i % branches} of sample {i / branches} has row {branchRow[i]}, but the prediction is {tensors.Prediction.Shape}.");
    }

    private partial struct GuidedStepJob : IWorkerJob
    {
        public GuidedStepRow* Row;
        public ulong Seed;
        public bool Secondary, Noisy, Draws, Doubled, Partly;
        public float* Prediction, Weight, Limit, Shift, Noise, Z, History, History2, History3, State, Denoised, Y;
        public int* BranchRow;
        public uint* SampleIndex;
        public long RowLength, Chunk;
        public int Rows, RowsPerItem, Channels, Tile, ChunksPerRow, Branches, Weights;

        /// <summary>What a stretch of a sample reads beside the states: contiguous, wherever it came from.</summary>
        private struct Sources
        {
            public float* Conditional, Variance, Noise;

            /// <summary>The branches of weights other than 0, in order; null after the last.</summary>
            public BranchPointers Branch;
            public BranchWeights Weight;

            /// <summary>The first branch for itself, if the row reads it.</summary>
            public float* First;

            /// <summary>The conditional prediction times its weight, where that does not hold for all channels.</summary>
            public float* Weighted;
            public float ConditionalWeight, Limit;
            public int Branches;

            /// <summary>Whether only the loop with every term will do.</summary>
            public readonly bool Combines => Branches > 1 || ConditionalWeight != 1;
        }

        // Addresses as numbers: an inline array holds no pointers.
        [InlineArray(GuidedStepTensors.MostBranches)]
        private struct BranchPointers
        {
            private nint _first;
        }

        [InlineArray(GuidedStepTensors.MostBranches)]
        private struct BranchWeights
        {
            private float _first;
        }

        // Apart from the others: a plain step of a small image takes no longer than to look up so many tensors.
        [MethodImpl(MethodImplOptions.NoInlining)]
        public void AddSecondary(in GuidedStepTensors tensors)
        {
            Secondary = true;
            Limit = tensors.Limit.Pointer;
            Shift = Row->ReadsShift ? tensors.Shift.Pointer : null;
            History2 = tensors.History2.Pointer;
            History3 = tensors.History3.Pointer;
            State = tensors.State.Pointer;
            Denoised = tensors.Denoised.Pointer;
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
            bool readsBranch = Row->ReadsBranch, readsNoise = Noisy && !Draws;
            long spread = Doubled ? 2 : 1, at = first * RowLength + start;
            float* weights = Weight + (nint)first * Weights;
            int* branchRows = BranchRow + (nint)first * Branches;
            Unsafe.SkipInit(out Sources sources);
            sources.Conditional = sources.Variance = sources.Noise = sources.First = sources.Weighted = null;
            (sources.ConditionalWeight, sources.Limit) = (1, 0);
            for (int row = first; row < end; row++, at += RowLength, weights += Weights, branchRows += Branches)
            {
                if (Prediction != null) sources.Conditional = Prediction + spread * at;
                if (readsBranch) sources.First = sources.Conditional;
                if (readsNoise) sources.Noise = Noise + at;
                if (Weight != null) sources.ConditionalWeight = weights[0];
                if (Limit != null) sources.Limit = Limit[row];
                (sources.Branch[0], sources.Weight[0]) = (0, 0);
                int used = 0;
                for (int k = 0; k < Branches; k++)
                {
                    if (branchRows[k] < 0) continue;
                    float* branch = Prediction + spread * (branchRows[k] * RowLength + start);
                    if (k == 0 && readsBranch) sources.First = branch;
                    if (weights[1 + k] == 0) continue;
                    sources.Branch[used] = (nint)branch;
                    sources.Weight[used++] = weights[1 + k];
                }
                sources.Branches = used;
                if (Doubled || Partly) StepTiles<V>(sources, row, start, length);
                else if (Draws) StepDrawn<V>(ref sources, row, start, length);
                else Step<V>(sources, at, (nint)length);
            }
        }

        /// <summary>The step where nothing but its noise must be made first. It leaves <paramref name="sources"/> at their ends.</summary>
        [SkipLocalsInit]
        [MethodImpl(MethodImplOptions.NoInlining)]
        private readonly void StepDrawn<V>(ref Sources sources, int row, long start, long length)
            where V : unmanaged, ILanes<V>
        {
            float* tile = stackalloc float[NoiseTile + 16];
            sources.Noise = AlignTile(tile);
            var key = NoiseKey;
            for (long done = 0; done < length; done += Tile)
            {
                int count = (int)Math.Min(Tile, length - done);
                DrawNoise(sources, 0, key, row, start + done, count, sources.Noise);
                Step<V>(sources, row * RowLength + start + done, count);
                if (sources.Conditional != null) sources.Conditional += count;
                if (sources.First != null) sources.First += count;
                for (int k = 0; k < sources.Branches; k++) sources.Branch[k] += (nint)count * sizeof(float);
            }
        }

        /// <summary>The step where predictions must be made contiguous first: variance channels split off, or channels that are not guided hidden.</summary>
        [SkipLocalsInit]
        [MethodImpl(MethodImplOptions.NoInlining)]
        private readonly void StepTiles<V>(in Sources whole, int row, long start, long length)
            where V : unmanaged, ILanes<V>
        {
            const int Stride = NoiseTile + 16;
            // Conditional, variance, noise, first branch by itself, and the branches.
            float* tiles = stackalloc float[(5 + GuidedStepTensors.MostBranches) * Stride + 16];
            tiles = AlignTile(tiles);
            float* branches = tiles + 4 * Stride;
            var key = NoiseKey;
            // Field by field: copied as a whole, it would be read in other pieces than it was just written, and wait for that.
            Unsafe.SkipInit(out Sources sources);
            sources.Conditional = sources.Variance = sources.Noise = sources.First = sources.Weighted = null;
            (sources.ConditionalWeight, sources.Limit, sources.Branches) = (whole.ConditionalWeight, whole.Limit, whole.Branches);
            (sources.Branch[0], sources.Weight[0]) = (0, whole.Weight[0]);
            for (int k = 1; k < whole.Branches; k++) sources.Weight[k] = whole.Weight[k];
            for (long done = 0; done < length; done += Tile)
            {
                int count = (int)Math.Min(Tile, length - done);
                long at = row * RowLength + start + done, offset = Doubled ? 2 * done : done;
                if (Draws) DrawNoise(whole, offset, key, row, start + done, count, sources.Noise = tiles + 2 * Stride);
                else if (Noisy) sources.Noise = whole.Noise + done;
                if (whole.Conditional != null)
                {
                    sources.Conditional = Predicted(whole.Conditional + offset, count, tiles);
                    for (int k = 0; k < whole.Branches; k++) sources.Branch[k] = (nint)Predicted((float*)whole.Branch[k] + offset, count, branches + k * Stride);
                    if (whole.First != null) sources.First = Predicted(whole.First + offset, count, tiles + 3 * Stride);
                    if (Row->LearnedVariance && (Noisy || Row->YFromVariance != 0))
                        ChannelHalf.Copy(whole.Conditional + offset, count, Channels, second: true, sources.Variance = tiles + Stride);
                }
                if (Partly) HideUnguided(ref sources, count, branches, Stride);
                Step<V>(sources, at, count);
            }
        }

        private readonly RandomKey NoiseKey => new(Seed, (uint)Row->StepIndex, RandomStream.StepNoise);

        /// <summary>Draws the noise of <paramref name="count"/> elements. That needs no memory for a while: what the step needs then is on its way meanwhile.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly void DrawNoise(in Sources sources, long offset, RandomKey key, int row, long element, int count, float* noise)
        {
            int predicted = Doubled ? 2 * count : count;
            long at = row * RowLength + element;
            if (sources.Conditional != null) Prefetch(sources.Conditional + offset, predicted);
            for (int k = 0; k < sources.Branches; k++) Prefetch((float*)sources.Branch[k] + offset, predicted);
            Prefetch(Z + at, count);
            if (Row->P != 0 || Row->StoreHistory) Prefetch(History + at, count);
            if (Row->Q != 0 || Row->StoreState) Prefetch(State + at, count);
            PhiloxLanes.FillNormal(noise, key, SampleIndex[row], element, count);
        }

        private readonly float* Predicted(float* prediction, int count, float* tile)
        {
            if (!Doubled) return prediction;
            ChannelHalf.Copy(prediction, count, Channels, second: false, tile);
            return tile;
        }

        /// <summary>
        /// The branches with the conditional prediction in place of the channels that are not guided: between equals, no weight makes a difference.
        /// </summary>
        private readonly void HideUnguided(ref Sources sources, int count, float* tiles, int stride)
        {
            int guided = Row->GuidedChannels;
            float* conditional = sources.Conditional;
            for (int k = 0; k < sources.Branches; k++)
            {
                float* tile = tiles + k * stride, branch = (float*)sources.Branch[k];
                for (nint i = 0; i < count; i += Channels)
                    for (nint c = 0; c < Channels; c++) tile[i + c] = (c < guided ? branch : conditional)[i + c];
                sources.Branch[k] = (nint)tile;
            }
            if (sources.ConditionalWeight == 1) return;
            sources.Weighted = tiles + GuidedStepTensors.MostBranches * stride;
            for (nint i = 0; i < count; i += Channels)
                for (nint c = 0; c < Channels; c++) sources.Weighted[i + c] = c < guided ? sources.ConditionalWeight * conditional[i + c] : conditional[i + c];
        }

        private static void Prefetch(float* from, int count)
        {
            if (!Sse.IsSupported) return;
            for (nint i = 0; i < count; i += 16) Sse.Prefetch0(from + i);
        }
    }
}
