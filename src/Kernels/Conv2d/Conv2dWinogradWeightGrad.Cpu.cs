using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

// dw = G^T [sum over tiles of (A dY A^T) * (B^T d B)] G: the transpose of Winograd's forward algorithm, with the sums over all tiles taken between
// the transforms.
public sealed unsafe partial class CpuKernels
{
    /// <summary>
    /// Units (some whole images, or a band of the tile rows of one) form groups with their own sums; output channels form chunks. All of it
    /// follows from the shape, so the order of every sum does.
    /// </summary>
    private readonly record struct WinogradWeightGradPlan(
        int BandTileRows, int Bands, int ImagesPerUnit, int Units, int Groups, int Chunks, int ChunkChannels, int PaddedOut, int PaddedIn, int BlockTiles)
    {
        public long PlaneFloats => (long)PaddedOut * PaddedIn;

        public long GroupFloats => Winograd.Planes * PlaneFloats;
    }

    private static bool UsesWinogradWeightGrad(in Conv2dShape s) => UsesWinograd(s) && (long)s.InChannels * s.OutChannels <= 256 * 256;

    private static WinogradWeightGradPlan PlanWinogradWeightGrad(in Conv2dShape s)
    {
        int tile = LaneCount == 16 ? 8 : 6, panel = 2 * LaneCount;
        int granule = LaneCount == 16 ? 16 : tile;
        int paddedOut = (s.OutChannels + granule - 1) / granule * granule, paddedIn = (s.InChannels + panel - 1) / panel * panel;
        long sumFloats = (long)Winograd.Planes * paddedOut * paddedIn;
        int chunks = (paddedOut + 127) / 128;
        int chunkChannels = (paddedOut / granule + chunks - 1) / chunks * granule;
        chunks = (paddedOut + chunkChannels - 1) / chunkChannels;

        int tileRows = (s.Height + 3) / 4, tileColumns = (s.Width + 3) / 4;
        int blockTiles = (int)Math.Clamp(WinogradGradBlockFloats / (Winograd.Planes * (s.InChannels + chunkChannels)), 48, 64);
        long rowFloats = (long)(tileColumns * 4 + 2) * s.InChannels;
        long fit = Math.Max((2 * BandFloats / rowFloats - 2) / 4, (blockTiles + tileColumns - 1) / tileColumns);
        int bandTileRows = (int)Math.Clamp(fit, 1, tileRows);
        int bands = (tileRows + bandTileRows - 1) / bandTileRows;
        bandTileRows = (tileRows + bands - 1) / bands;
        bands = (tileRows + bandTileRows - 1) / bandTileRows;
        int imagesPerUnit = bands == 1 ? Math.Clamp(blockTiles / (tileRows * tileColumns), 1, s.Batch) : 1;
        int unitTiles = imagesPerUnit * bandTileRows * tileColumns, blocks = (unitTiles + blockTiles - 1) / blockTiles;
        blockTiles = (unitTiles + blocks - 1) / blocks;
        int units = bands * ((s.Batch + imagesPerUnit - 1) / imagesPerUnit);
        int groups = (int)Math.Clamp(WinogradGradSumFloats / sumFloats, 1, Math.Min(8, units));
        return new(bandTileRows, bands, imagesPerUnit, units, groups, chunks, chunkChannels, paddedOut, paddedIn, blockTiles);
    }

    // The transformed tiles of a block, and the sums of all groups together.
    private const int WinogradGradBlockFloats = 192 * 1024;
    private const long WinogradGradSumFloats = 2400 * 1024;

    private void RunWinogradWeightGrad<V>(in Conv2dShape shape, in ConvSource source, float* dy, float* workspace, float* dw, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        var plan = PlanWinogradWeightGrad(shape);
        int tileColumns = (shape.Width + 3) / 4;
        var job = new WinogradWeightGradJob<V>
        {
            Plan = plan,
            Source = source,
            Grad = ConvSource.Plain(dy, shape.Height, shape.Width, shape.OutChannels),
            Sums = workspace,
            Batch = shape.Batch,
            TileRows = (shape.Height + 3) / 4,
            TileColumns = tileColumns,
            InPlane = ((nint)plan.BlockTiles * shape.InChannels + 2 * V.Count) / 16 * 16 + 16,
            GradPlane = ((nint)plan.BlockTiles * plan.ChunkChannels + V.Count) / 16 * 16 + 16,
        };
        long band = (((long)plan.BandTileRows * 4 + 2) * (tileColumns * 4 + 2) * shape.InChannels * plan.ImagesPerUnit + 47) / 16 * 16;
        long gradBand = ((long)plan.BandTileRows * 16 * tileColumns * shape.OutChannels * plan.ImagesPerUnit + 47) / 16 * 16;
        job.BufferOffset = source.CoefficientFloats;
        job.InOffset = job.BufferOffset + 36 * V.Count;
        job.GradOffset = job.InOffset + Winograd.Planes * job.InPlane;
        job.BandOffset = job.GradOffset + Winograd.Planes * job.GradPlane;
        job.GradBandOffset = job.BandOffset + band;
        EnsureScratch(job.GradBandOffset + gradBand);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        Pool.Run(ref job, plan.Groups * plan.Chunks);

        EnsureScratch(63 * V.Count);
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        var finish = new FinishWinogradWeightGradJob<V>
        {
            Plan = plan,
            Sums = workspace,
            Dw = dw,
            InChannels = shape.InChannels,
            Accumulate = accumulate,
            Scratch = scratch,
        };
        Pool.Run(ref finish, shape.OutChannels);
    }

    private struct WinogradWeightGradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public WinogradWeightGradPlan Plan;
        public ConvSource Source, Grad;
        public float* Sums;
        public float** Scratch;
        public int Batch, TileRows, TileColumns;
        public nint InPlane, GradPlane;
        public long BufferOffset, InOffset, GradOffset, BandOffset, GradBandOffset;

        public void Execute(int item, int worker)
        {
            int chunk = item % Plan.Chunks, group = item / Plan.Chunks;
            float* scratch = Scratch[worker];
            int k0 = chunk * Plan.ChunkChannels, channels = Math.Min(Plan.ChunkChannels, Plan.PaddedOut - k0), c = Source.Channels;
            float* sums = Sums + group * Plan.GroupFloats + (nint)k0 * Plan.PaddedIn;
            float* transformed = scratch + InOffset, grads = scratch + GradOffset;
            bool first = true;
            int firstUnit = (int)((long)Plan.Units * group / Plan.Groups), lastUnit = (int)((long)Plan.Units * (group + 1) / Plan.Groups);
            for (int unit = firstUnit; unit < lastUnit; unit++)
            {
                int n0 = unit / Plan.Bands * Plan.ImagesPerUnit, images = Math.Min(Plan.ImagesPerUnit, Batch - n0);
                int t0 = unit % Plan.Bands * Plan.BandTileRows, tileRows = Math.Min(Plan.BandTileRows, TileRows - t0);
                int perImage = tileRows * TileColumns, tiles = images * perImage;
                nint rowStride = ((nint)TileColumns * 4 + 2) * c, imageStride = rowStride * (tileRows * 4 + 2);
                for (int i = 0; i < images; i++)
                    Source.Stage<V>(n0 + i, t0 * 4 - 1, tileRows * 4 + 2, -1, TileColumns * 4 + 2, scratch + BandOffset + i * imageStride, scratch);
                // A copy even of whole tiles: reading them in tile order from memory costs more.
                nint gradRow = (nint)TileColumns * 4 * Grad.Channels, gradImage = gradRow * tileRows * 4;
                float* gradBand = scratch + GradBandOffset;
                for (int i = 0; i < images; i++) Grad.Stage<V>(n0 + i, t0 * 4, tileRows * 4, 0, TileColumns * 4, gradBand + i * gradImage, scratch);
                for (int block = 0; block < tiles; block += Plan.BlockTiles)
                {
                    int count = Math.Min(Plan.BlockTiles, tiles - block);
                    Transform(scratch + BandOffset, rowStride, imageStride, gradBand + k0, gradRow, gradImage, perImage, block, count, channels,
                        transformed, grads, scratch + BufferOffset);
                    for (int plane = 0; plane < Winograd.Planes; plane++)
                        for (int j = 0; j < Plan.PaddedIn; j += 2 * V.Count)
                            for (int k = 0; k < channels; k += CpuKernels.TileRows<V>())
                                OuterTile<V>(transformed + plane * InPlane + j, c, 0, grads + plane * GradPlane + k, channels, 0, 1, count,
                                    sums + plane * (nint)Plan.PlaneFloats + (nint)k * Plan.PaddedIn + j, Plan.PaddedIn, first);
                    first = false;
                }
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Transform(
            float* bands, nint rowStride, nint imageStride, float* grad, nint gradRow, nint gradImage, int perImage, int block, int count, int channels,
            float* transformed, float* grads, float* buffer)
        {
            int c = Source.Channels, k = Grad.Channels;
            for (int t = 0; t < count; t++)
            {
                int i = (block + t) / perImage, index = (block + t) % perImage, row = index / TileColumns * 4, column = index % TileColumns * 4;
                float* source = bands + i * imageStride + row * rowStride + (nint)column * c;
                float* d = grad + i * gradImage + row * gradRow + (nint)column * k;
                // The last vector of a tile may reach into the next tile's place, which is written later, or into the gap between planes.
                for (int channel = 0; channel < c; channel += V.Count)
                    Winograd.TransformInput<V>(source + channel, rowStride, c, transformed + (nint)t * c + channel, InPlane, buffer);
                for (int channel = 0; channel < channels; channel += V.Count)
                    Winograd.TransformOutputGrad<V>(d + channel, gradRow, k, grads + (nint)t * channels + channel, GradPlane, buffer);
            }
        }
    }

    /// <summary>Adds the groups' sums in their order and transforms them back, one output channel at a time.</summary>
    private struct FinishWinogradWeightGradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public WinogradWeightGradPlan Plan;
        public float* Sums, Dw;
        public float** Scratch;
        public int InChannels;
        public bool Accumulate;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            float* buffer = Scratch[worker], taps = buffer + 54 * V.Count;
            nint planeFloats = (nint)Plan.PlaneFloats, groupFloats = (nint)Plan.GroupFloats;
            for (int c = 0; c < InChannels; c += V.Count)
            {
                float* sums = Sums + (nint)item * Plan.PaddedIn + c;
                for (nint plane = 0; plane < Winograd.Planes; plane++)
                {
                    V sum = V.Load(sums + plane * planeFloats);
                    for (nint g = 1; g < Plan.Groups; g++) sum += V.Load(sums + g * groupFloats + plane * planeFloats);
                    V.Store(buffer + plane * V.Count, sum);
                }
                Winograd.TransformWeightGrad<V>(buffer, taps);
                int count = Math.Min(V.Count, InChannels - c);
                float* target = Dw + (nint)item * 9 * InChannels + c;
                for (nint tap = 0; tap < 9; tap++, target += InChannels)
                {
                    V u = V.Load(taps + tap * V.Count);
                    if (count == V.Count)
                        V.Store(target, Accumulate ? V.Load(target) + u : u);
                    else
                        V.StorePartial(target, Accumulate ? V.LoadPartial(target, count) + u : u, count);
                }
            }
        }
    }
}
