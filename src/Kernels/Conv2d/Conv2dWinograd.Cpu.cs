using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // The transformed tiles of a block: 384 KB, so that they and a panel of weights stay in a 1 MB second-level cache.
    private const int WinogradBlockFloats = 96 * 1024;

    /// <summary>Winograd where a map has enough tiles, mostly whole, and enough channels to pay for the transforms. Never looks at the batch.</summary>
    private static bool UsesWinograd(in Conv2dShape s)
    {
        if (s is not { KernelHeight: 3, KernelWidth: 3, Stride: 1, Padding: 1, EndPadding: 1, WidthPadding: null } || s.InChannels < 16 || s.OutChannels < 16) return false;
        int tiles = ((s.Height + 3) / 4) * ((s.Width + 3) / 4);
        return tiles >= 4 && 36 * tiles <= 0.6 * 9 * s.Height * s.Width;
    }

    private static long WinogradPackedLength(int inChannels, int outChannels)
    {
        int lanes = LaneCount;
        return (long)Winograd.Planes * inChannels * ((outChannels + lanes - 1) / lanes * lanes);
    }

    private void RunWinograd<V>(in ConvSource source, int batch, float* packed, in WinogradOutput<V> output)
        where V : unmanaged, ILanes<V>
    {
        int c = source.Channels, channels = output.Epilogue.Channels, panel = PanelWidth(V.Count, 0, channels);
        var job = new WinogradJob<V> { Source = source, Output = output, Packed = packed, Batch = batch };
        job.Panels = (channels + panel - 1) / panel;
        // A multiple of the rows of all panels' tiles.
        int tile = PanelRows<V>(PanelWidth(V.Count, (job.Panels - 1) * panel, channels));
        long rowFloats = (long)(output.TileColumns * 4 + 2) * c;
        // Few images with few channels are divided among the threads by rows of whole register tiles.
        int pieces = Math.Clamp(2 * Threads / (batch * job.Panels), 1, Math.Max(1, output.TileRows * output.TileColumns / tile));
        job.BandTileRows = (int)Math.Clamp((2 * BandFloats / rowFloats - 2) / 4, 1, (output.TileRows + pieces - 1) / pieces);
        job.Bands = (output.TileRows + job.BandTileRows - 1) / job.BandTileRows;
        job.BandTileRows = (output.TileRows + job.Bands - 1) / job.Bands;
        job.Bands = (output.TileRows + job.BandTileRows - 1) / job.BandTileRows;
        int imageTiles = output.TileRows * output.TileColumns;
        // Every thread should get two items, or one where images are so small that two take a register tile.
        long share = Math.Max(batch / (2L * Threads), Math.Min(batch / Threads, tile / imageTiles));
        long images = job.Bands > 1 ? 1 : Math.Min(2 * BandFloats / (rowFloats * (output.TileRows * 4 + 2)), share);
        // Fill whole register tiles if that takes no more than dropping a few images.
        for (long fewer = images; fewer > images / 2 && fewer > 0; fewer--)
        {
            if (fewer * imageTiles % tile != 0) continue;
            images = fewer;
            break;
        }
        job.ImagesPerItem = (int)Math.Clamp(images, 1, batch);
        job.ImageGroups = (batch + job.ImagesPerItem - 1) / job.ImagesPerItem;
        int items = job.ImageGroups * job.Bands;
        job.PanelGroups = Math.Clamp((2 * Threads + items - 1) / items, 1, job.Panels);

        int itemTiles = (job.ImagesPerItem * job.BandTileRows * output.TileColumns + tile - 1) / tile * tile;
        int fit = Math.Clamp(WinogradBlockFloats / (Winograd.Planes * Math.Max(c, panel)) / tile * tile, 2 * tile, 8 * tile);
        int blocks = (itemTiles + fit - 1) / fit;
        job.BlockTiles = ((itemTiles + blocks - 1) / blocks + tile - 1) / tile * tile;
        // Planes are kept off multiples of 4 KB, where stores to them would collide in the cache.
        job.InPlane = (nint)job.BlockTiles * c / 16 * 16 + 48;
        job.SumPlane = (nint)job.BlockTiles * panel + 16;
        job.BufferOffset = source.CoefficientFloats;
        job.InOffset = job.BufferOffset + 40 * V.Count;
        job.SumOffset = job.InOffset + Winograd.Planes * job.InPlane;
        job.BandOffset = job.SumOffset + Winograd.Planes * job.SumPlane;
        EnsureScratch(job.BandOffset + rowFloats * (job.BandTileRows * 4 + 2) * job.ImagesPerItem + 64);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        Pool.Run(ref job, job.ImageGroups * job.Bands * job.PanelGroups);
    }

    private struct WinogradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public ConvSource Source;
        public WinogradOutput<V> Output;
        public float* Packed;
        public float** Scratch;
        public int Batch, Panels, BandTileRows, Bands, ImagesPerItem, ImageGroups, PanelGroups, BlockTiles;
        public nint InPlane, SumPlane;
        public long BufferOffset, InOffset, SumOffset, BandOffset;

        public void Execute(int item, int worker)
        {
            int panelGroup = item % PanelGroups, rest = item / PanelGroups, band = rest % Bands, group = rest / Bands;
            float* scratch = Scratch[worker];
            int t0 = band * BandTileRows, tileRows = Math.Min(BandTileRows, Output.TileRows - t0);
            int n0 = group * ImagesPerItem, images = Math.Min(ImagesPerItem, Batch - n0);
            int bandRows = tileRows * 4 + 2, bandColumns = Output.TileColumns * 4 + 2, c = Source.Channels;
            nint rowStride = (nint)bandColumns * c;
            float* bands = scratch + BandOffset;
            for (int i = 0; i < images; i++)
                Source.Stage<V>(n0 + i, t0 * 4 - 1, bandRows, -1, bandColumns, bands + i * bandRows * rowStride, scratch);
            nint* offsets = stackalloc nint[16];
            for (int i = 0; i < 16; i++) offsets[i] = (nint)i * c;

            float* transformed = scratch + InOffset, sums = scratch + SumOffset, buffer = scratch + BufferOffset;
            int firstPanel = (int)((long)Panels * panelGroup / PanelGroups), lastPanel = (int)((long)Panels * (panelGroup + 1) / PanelGroups);
            int perImage = tileRows * Output.TileColumns, tiles = images * perImage;
            for (int block = 0; block < tiles; block += BlockTiles)
            {
                int count = Math.Min(BlockTiles, tiles - block);
                TransformTiles(bands, rowStride, bandRows * rowStride, perImage, block, count, transformed, buffer);
                for (int k = firstPanel; k < lastPanel; k++)
                {
                    int channel = k * 2 * V.Count, panel = PanelWidth(V.Count, channel, Output.Epilogue.Channels), tile = PanelRows<V>(panel);
                    float* weights = Packed + (nint)channel * Winograd.Planes * c;
                    for (int plane = 0; plane < Winograd.Planes; plane++)
                        for (int t = 0; t < count; t += tile)
                            PanelTile<V>(panel, transformed + plane * InPlane + (nint)t * c, offsets, 0, 1, c, weights + (nint)plane * c * panel,
                                sums + plane * SumPlane + (nint)t * panel);
                    StoreTiles(sums, panel, n0, t0, perImage, block, count, channel, buffer);
                }
            }
            if (Output.Epilogue.Finish == ConvFinish.None) return;
            int firstChannel = firstPanel * 2 * V.Count, channels = Math.Min(lastPanel * 2 * V.Count, Output.Epilogue.Channels) - firstChannel;
            int rows = Math.Min(tileRows * 4, Output.Height - t0 * 4);
            for (int n = n0; n < n0 + images; n++)
                Output.Epilogue.FinishPixels<V>(((nint)n * Output.Height + t0 * 4) * Output.Width, (nint)rows * Output.Width, firstChannel, channels);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void StoreTiles(float* sums, int panel, int n0, int t0, int perImage, int block, int count, int channel, float* buffer)
        {
            int columns = Output.TileColumns, end = t0 + perImage / columns, index = block % perImage;
            int n = n0 + block / perImage, ty = t0 + index / columns, tx = index % columns;
            for (int t = 0; t < count; t++, sums += panel)
            {
                Output.Store(sums, SumPlane, n, ty, tx, channel, buffer);
                if (++tx < columns) continue;
                tx = 0;
                if (++ty < end) continue;
                ty = t0;
                n++;
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void TransformTiles(
            float* bands, nint rowStride, nint imageStride, int perImage, int block, int count, float* transformed, float* buffer)
        {
            int c = Source.Channels;
            for (int t = 0; t < count; t++)
            {
                int i = (block + t) / perImage, index = (block + t) % perImage;
                float* source = bands + i * imageStride + index / Output.TileColumns * 4 * rowStride + (nint)(index % Output.TileColumns) * 4 * c;
                // The last vector of a tile may reach into the next tile's place, which is written later, or into the gap between planes.
                for (int channel = 0; channel < c; channel += V.Count)
                    Winograd.TransformInput<V>(source + channel, rowStride, c, transformed + (nint)t * c + channel, InPlane, buffer);
            }
        }
    }

    private void PackWinograd<V>(in Conv2dShape s, Conv2dPass pass, float* weight, float* packed)
        where V : unmanaged, ILanes<V>
    {
        bool forward = pass == Conv2dPass.Forward;
        var job = new PackWinogradJob<V>
        {
            Weight = weight,
            Packed = packed,
            Forward = forward,
            InChannels = forward ? s.InChannels : s.OutChannels,
            OutChannels = forward ? s.OutChannels : s.InChannels,
        };
        job.Chunks = (job.InChannels + PackWinogradJob<V>.Chunk - 1) / PackWinogradJob<V>.Chunk;
        EnsureScratch(PackWinogradJob<V>.ScratchFloats);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        Pool.Run(ref job, (job.OutChannels + 2 * V.Count - 1) / (2 * V.Count) * job.Chunks);
    }

    /// <summary>packed[panel][plane][c][output channels of the panel] for a chunk of input channels c.</summary>
    private struct PackWinogradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public const int Chunk = 16;

        public float* Weight, Packed;
        public float** Scratch;
        public bool Forward;
        public int InChannels, OutChannels, Chunks;

        public static long ScratchFloats => 9 * Chunk * 2 * V.Count;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            int k0 = item / Chunks * 2 * V.Count, panel = PanelWidth(V.Count, k0, OutChannels);
            int c0 = item % Chunks * Chunk, channels = Math.Min(Chunk, InChannels - c0);
            float* taps = Scratch[worker];
            nint tapStride = (nint)Chunk * panel;
            LoadTaps(Weight, Forward, InChannels, OutChannels, k0, panel, c0, channels, taps, tapStride);
            nint planeStride = (nint)InChannels * panel;
            float* planes = Packed + (nint)k0 * Winograd.Planes * InChannels + (nint)c0 * panel;
            for (nint at = 0; at < channels * panel; at += V.Count)
                Winograd.TransformWeight<V>(taps + at, tapStride, planes + at, planeStride);
        }
    }

    /// <summary>
    /// taps[tap][c][output channel] of a panel of output channels from k0 and of the input channels from c0, zero beyond the last output channel;
    /// for the input gradient the two kinds of channels change places.
    /// </summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void LoadTaps(
        float* weight, bool forward, int inChannels, int outChannels, int k0, int panel, int c0, int channels, float* taps, nint tapStride)
    {
        int count = Math.Min(panel, outChannels - k0);
        for (int tap = 0; tap < 9; tap++)
        {
            float* target = taps + tap * tapStride;
            if (forward) Transposition.Run(weight + ((nint)k0 * 9 + tap) * inChannels + c0, 9 * (nint)inChannels, count, channels, target, panel);
            else
            {
                // Seen from the input, the taps come in reverse order.
                for (nint c = 0; c < channels; c++)
                    new ReadOnlySpan<float>(weight + ((c0 + c) * 9 + 8 - tap) * outChannels + k0, count).CopyTo(new(target + c * panel, count));
            }
            if (count == panel) continue;
            for (nint c = 0; c < channels; c++) new Span<float>(target + c * panel + count, panel - count).Clear();
        }
    }
}
