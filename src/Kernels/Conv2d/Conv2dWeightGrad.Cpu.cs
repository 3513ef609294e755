using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    /// <summary>
    /// How a weight gradient is split: units (an image or a band of its rows) form groups, each with its own sums, and output channels form
    /// chunks. An output channel has <see cref="Slices"/> times <see cref="Depth"/> weights, lanes lie along the latter. All of it follows from the
    /// shape, so the order of every sum does.
    /// </summary>
    private readonly record struct WeightGradPlan(
        int Slices, int Depth, int PaddedDepth, int BandRows, int Bands, int Units, int Groups, int Chunks, int ChunkChannels, int PaddedOut)
    {
        public long GroupFloats => (long)PaddedOut * Slices * PaddedDepth;
    }

    // Each row of a window has sums of its own, unless few channels would leave most lanes empty: then whole windows are copied together first.
    private static bool JoinsWindowRows(in Conv2dShape s)
    {
        int panel = 2 * LaneCount, depth = s.KernelWidth * s.InChannels;
        return 2 * ((s.KernelHeight * depth + LaneCount - 1) / LaneCount * LaneCount) <= s.KernelHeight * ((depth + panel - 1) / panel * panel);
    }

    private static WeightGradPlan PlanWeightGrad(in Conv2dShape s)
    {
        bool joined = JoinsWindowRows(s);
        int tile = joined ? MatrixProduct.RowGranularity : LaneCount == 16 ? 8 : 6, panel = 2 * LaneCount;
        int bandColumns = (s.OutWidth - 1) * s.Stride + s.KernelWidth;
        long rowFloats = (long)bandColumns * s.InChannels * s.Stride + (long)s.OutWidth * s.OutChannels;
        int bandRows = (int)Math.Clamp(BandFloats / rowFloats, 1, s.OutHeight);
        int bands = (s.OutHeight + bandRows - 1) / bandRows;
        bandRows = (s.OutHeight + bands - 1) / bands;
        bands = (s.OutHeight + bandRows - 1) / bandRows;
        int units = bands * s.Batch;

        int paddedOut = (s.OutChannels + tile - 1) / tile * tile;
        int slices = joined ? 1 : s.KernelHeight, depth = s.KernelWidth * s.InChannels * (joined ? s.KernelHeight : 1);
        int paddedDepth = (depth + panel - 1) / panel * panel;
        long gradFloats = (long)paddedOut * slices * paddedDepth;
        int chunks = (int)Math.Clamp(gradFloats / (96 * 1024), 1, Math.Min(16, paddedOut / tile));
        int chunkChannels = (paddedOut / tile + chunks - 1) / chunks * tile;
        chunks = (paddedOut + chunkChannels - 1) / chunkChannels;
        int groups = Math.Clamp(16 / chunks, 1, units);
        return new(slices, depth, paddedDepth, bandRows, bands, units, groups, chunks, chunkChannels, paddedOut);
    }

    /// <inheritdoc/>
    long IKernels.Conv2dWeightGradWorkspace(in Conv2dShape shape)
    {
        if (UsesWinogradWeightGrad(shape)) return WinogradWeightGradWorkspace(shape);
        var plan = PlanWeightGrad(shape);
        return plan.Groups * plan.GroupFloats;
    }

    private void WeightGradLanes<V>(
        in Conv2dShape shape, in Conv2dInput input, TensorView dy, TensorView workspace, TensorView dw, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        var source = ConvSource.Of(input, shape.Height, shape.Width, shape.InChannels);
        if (UsesWinogradWeightGrad(shape))
        {
            RunWinogradWeightGrad<V>(shape, source, dy.Pointer, workspace.Pointer, dw.Pointer, accumulate);
            return;
        }
        var plan = PlanWeightGrad(shape);
        var job = new WeightGradJob<V>
        {
            Shape = shape,
            Source = source,
            Dy = dy.Pointer,
            Sums = workspace.Pointer,
            Plan = plan,
            BandColumns = (shape.OutWidth - 1) * shape.Stride + shape.KernelWidth,
        };
        // Whole vectors are read from the last window of a band.
        long band = ((long)(plan.BandRows - 1) * shape.Stride + shape.KernelHeight) * job.BandColumns * shape.InChannels + 2 * V.Count;
        job.DyOffset = source.CoefficientFloats + (band + 15) / 16 * 16;
        job.WindowOffset = job.DyOffset + (long)plan.BandRows * shape.OutWidth * plan.ChunkChannels + 64;
        EnsureScratch(job.WindowOffset + (JoinsWindowRows(shape) ? (long)plan.BandRows * shape.OutWidth * plan.PaddedDepth + V.Count : 0));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        Pool.Run(ref job, plan.Groups * plan.Chunks);

        var reduce = new ReduceWeightGradJob<V>
        {
            Sums = workspace.Pointer,
            Dw = dw.Pointer,
            Groups = plan.Groups,
            GroupFloats = plan.GroupFloats,
            Rows = plan.Slices,
            Depth = plan.Depth,
            PaddedDepth = plan.PaddedDepth,
            Accumulate = accumulate,
        };
        Pool.Run(ref reduce, shape.OutChannels);
    }

    private struct WeightGradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public Conv2dShape Shape;
        public ConvSource Source;
        public WeightGradPlan Plan;
        public float* Dy, Sums;
        public float** Scratch;
        public int BandColumns;
        public long DyOffset, WindowOffset;

        public void Execute(int item, int worker)
        {
            int chunk = item % Plan.Chunks, group = item / Plan.Chunks;
            float* scratch = Scratch[worker];
            float* band = scratch + Source.CoefficientFloats, staged = scratch + DyOffset;
            int k0 = chunk * Plan.ChunkChannels, channels = Math.Min(Plan.ChunkChannels, Plan.PaddedOut - k0);
            int real = Math.Min(channels, Shape.OutChannels - k0);
            nint rowStride = (nint)BandColumns * Shape.InChannels, kStride = (nint)Plan.Slices * Plan.PaddedDepth;
            float* sums = Sums + group * Plan.GroupFloats + k0 * kStride;
            int first = (int)((long)Plan.Units * group / Plan.Groups), last = (int)((long)Plan.Units * (group + 1) / Plan.Groups);
            for (int unit = first; unit < last; unit++)
            {
                int n = unit / Plan.Bands, r0 = unit % Plan.Bands * Plan.BandRows, rows = Math.Min(Plan.BandRows, Shape.OutHeight - r0);
                int stagedRows = (rows - 1) * Shape.Stride + Shape.KernelHeight;
                Source.Stage<V>(n, r0 * Shape.Stride - Shape.Padding, stagedRows, -Shape.LeftPadding, BandColumns, band, scratch);
                float* d = Dy + ((nint)n * Shape.OutHeight + r0) * Shape.OutWidth * Shape.OutChannels + k0;
                nint dStep = Shape.OutChannels;
                if (JoinsWindowRows(Shape))
                {
                    MultiplyJoined(band, rowStride, rows, d, real, sums, scratch + WindowOffset, unit == first);
                    continue;
                }
                if (real != channels)
                {
                    CopyPadded(d, Shape.OutChannels, real, staged, channels, rows * Shape.OutWidth);
                    d = staged;
                    dStep = channels;
                }
                for (int a = 0; a < Plan.Slices; a++)
                    for (int j = 0; j < Plan.PaddedDepth; j += 2 * V.Count)
                        for (int k = 0; k < channels; k += TileRows<V>())
                            OuterTile<V>(
                                band + a * rowStride + j, (nint)Shape.Stride * Shape.InChannels, Shape.Stride * rowStride,
                                d + k, dStep, dStep * Shape.OutWidth, rows, Shape.OutWidth,
                                sums + k * kStride + (nint)a * Plan.PaddedDepth + j, kStride, unit == first);
            }
        }

        private readonly void MultiplyJoined(float* band, nint rowStride, int rows, float* d, int channels, float* sums, float* windows, bool first)
        {
            for (int r = 0; r < rows; r++)
                JoinWindows(band + r * Shape.Stride * rowStride, rowStride, windows + (nint)r * Shape.OutWidth * Plan.PaddedDepth);
            MatrixProduct.Multiply<V>(
                d, 1, Shape.OutChannels, channels, windows, Plan.PaddedDepth, rows * Shape.OutWidth, sums, Plan.PaddedDepth, Plan.Depth, accumulate: !first);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void JoinWindows(float* source, nint rowStride, float* target)
        {
            nint step = (nint)Shape.Stride * Shape.InChannels, length = (nint)Shape.KernelWidth * Shape.InChannels;
            // What a vector holds too much is overwritten by the next row of the window, or of the next pixel's.
            for (nint q = 0; q < Shape.OutWidth; q++, source += step, target += Plan.PaddedDepth)
                for (nint a = 0; a < Shape.KernelHeight; a++)
                    for (nint i = 0; i < length; i += V.Count)
                        V.Store(target + a * length + i, V.Load(source + a * rowStride + i));
        }

        private static void CopyPadded(float* source, int sourceStride, int count, float* target, int targetStride, int rows)
        {
            for (int r = 0; r < rows; r++, source += sourceStride, target += targetStride)
            {
                for (int i = 0; i < count; i++) target[i] = source[i];
                for (int i = count; i < targetStride; i++) target[i] = 0;
            }
        }
    }

    /// <summary>Adds the groups' sums in their order and drops the padding.</summary>
    private struct ReduceWeightGradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public float* Sums, Dw;
        public int Groups, Rows, Depth, PaddedDepth;
        public long GroupFloats;
        public bool Accumulate;

        public void Execute(int item, int worker)
        {
            for (int a = 0; a < Rows; a++)
            {
                float* sums = Sums + ((nint)item * Rows + a) * PaddedDepth;
                float* target = Dw + ((nint)item * Rows + a) * Depth;
                for (int j = 0; j < Depth; j += V.Count)
                {
                    V sum = V.Load(sums + j);
                    for (int g = 1; g < Groups; g++) sum += V.Load(sums + g * GroupFloats + j);
                    int count = Math.Min(V.Count, Depth - j);
                    if (count == V.Count)
                        V.Store(target + j, Accumulate ? V.Load(target + j) + sum : sum);
                    else
                        V.StorePartial(target + j, Accumulate ? V.LoadPartial(target + j, count) + sum : sum, count);
                }
            }
        }
    }

    // Rows that one partial sum of a bias gradient covers.
    private const int BiasGradRows = 256;

    /// <inheritdoc/>
    void IKernels.Conv2dBiasGrad(TensorView dy, TensorView db, bool accumulate)
    {
        int channels = dy.Shape.Channels;
        long rows = dy.Count / channels;
        int parts = (int)((rows + BiasGradRows - 1) / BiasGradRows);
        EnsureScratch((long)parts * channels);
        var job = new BiasGradJob { Dy = dy.Pointer, Parts = Scratch(0), Rows = rows, Channels = channels };
        Pool.Run(ref job, parts);
        float* target = db.Pointer;
        for (int c = 0; c < channels; c++)
        {
            double sum = accumulate ? target[c] : 0;
            for (int i = 0; i < parts; i++) sum += job.Parts[(nint)i * channels + c];
            target[c] = (float)sum;
        }
    }

    private struct BiasGradJob : IWorkerJob
    {
        public float* Dy, Parts;
        public long Rows;
        public int Channels;

        public void Execute(int item, int worker)
        {
            switch (LaneCount)
            {
                case 16: Sum<Lanes512>(item); break;
                case 8: Sum<Lanes256>(item); break;
                default: Sum<Lanes128>(item); break;
            }
        }

        private readonly void Sum<V>(int item)
            where V : unmanaged, ILanes<V>
        {
            long first = (long)item * BiasGradRows, count = Math.Min(BiasGradRows, Rows - first);
            float* source = Dy + first * Channels, target = Parts + (nint)item * Channels;
            int c = 0;
            for (; c <= Channels - V.Count; c += V.Count)
            {
                V sum = V.Zero;
                for (nint r = 0; r < count; r++) sum += V.Load(source + r * Channels + c);
                V.Store(target + c, sum);
            }
            for (; c < Channels; c++)
            {
                float sum = 0;
                for (nint r = 0; r < count; r++) sum += source[r * Channels + c];
                target[c] = sum;
            }
        }
    }
}
