using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // The transformed tiles of a block: 384 KB, so that they and a panel of weights stay in a 1 MB second-level cache.
    private const int WinogradBlockFloats = 96 * 1024;

    // From 288 x 288 channels on, the transformed weights are several times as large as a second-level cache.
    private const long WinogradWideWeights = 288 * 288;
    private const int WinogradWideTiles = 48;

    /// <summary>Winograd where a map has enough tiles, mostly whole, and enough channels to pay for the transforms. Never looks at the batch.</summary>
    private static bool UsesWinograd(in Conv2dShape s)
    {
        if (s is not { KernelHeight: 3, KernelWidth: 3, Stride: 1, Padding: 1 } || s.InChannels < 16 || s.OutChannels < 16) return false;
        int tiles = ((s.Height + 3) / 4) * ((s.Width + 3) / 4);
        return tiles >= 4 && 36 * tiles <= 0.6 * 9 * s.Height * s.Width;
    }

    private static long WinogradPackedLength(int inChannels, int outChannels)
    {
        int panel = 2 * LaneCount;
        return (long)Winograd.Planes * inChannels * ((outChannels + panel - 1) / panel * panel);
    }

    private void RunWinograd<V>(in ConvSource source, int batch, int outChannels, float* packed, in ConvEpilogue epilogue)
        where V : unmanaged, ILanes<V>
    {
        int tile = TileRows<V>(), panel = 2 * V.Count, c = source.Channels;
        var job = new WinogradJob<V>
        {
            Source = source,
            Epilogue = epilogue,
            Packed = packed,
            Batch = batch,
            OutChannels = outChannels,
            TileRows = (source.Height + 3) / 4,
            TileColumns = (source.Width + 3) / 4,
        };
        int panels = (outChannels + panel - 1) / panel;
        // Weights that no second-level cache holds are read once for a block of many tiles, plane by plane, for all panels in turn.
        bool wide = (long)c * outChannels >= WinogradWideWeights;
        long rowFloats = (long)(job.TileColumns * 4 + 2) * c;
        long bandRows = Math.Max((2 * BandFloats / rowFloats - 2) / 4, wide ? WinogradWideTiles / job.TileColumns : 0);
        job.BandTileRows = (int)Math.Clamp(bandRows, 1, job.TileRows);
        job.Bands = (job.TileRows + job.BandTileRows - 1) / job.BandTileRows;
        job.BandTileRows = (job.TileRows + job.Bands - 1) / job.Bands;
        job.Bands = (job.TileRows + job.BandTileRows - 1) / job.BandTileRows;
        int imageTiles = job.TileRows * job.TileColumns;
        long images = 1;
        if (job.Bands == 1)
            images = wide ? WinogradWideTiles / imageTiles : Math.Min(2 * BandFloats / (rowFloats * (job.TileRows * 4 + 2)), batch / (2L * Threads));
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
        job.PanelGroups = Math.Clamp((2 * Threads + items - 1) / items, 1, panels);
        job.PassPanels = wide ? (panels + job.PanelGroups - 1) / job.PanelGroups : 1;

        int itemTiles = (job.ImagesPerItem * job.BandTileRows * job.TileColumns + tile - 1) / tile * tile;
        int fit = Math.Clamp(WinogradBlockFloats / (Winograd.Planes * Math.Max(c, panel)) / tile * tile, wide ? WinogradWideTiles / tile * tile : 2 * tile, 8 * tile);
        int blocks = (itemTiles + fit - 1) / fit;
        job.BlockTiles = ((itemTiles + blocks - 1) / blocks + tile - 1) / tile * tile;
        // Planes are kept off multiples of 4 KB, where stores to them would collide in the cache.
        job.InPlane = (nint)job.BlockTiles * c / 16 * 16 + 48;
        job.SumPlane = (nint)job.BlockTiles * panel * job.PassPanels + 16;
        job.TableOffset = source.CoefficientFloats;
        job.BufferOffset = job.TableOffset + 32;
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
        public ConvEpilogue Epilogue;
        public float* Packed;
        public float** Scratch;
        public int Batch, OutChannels, TileRows, TileColumns, BandTileRows, Bands, ImagesPerItem, ImageGroups, PanelGroups, PassPanels, BlockTiles;
        public nint InPlane, SumPlane;
        public long TableOffset, BufferOffset, InOffset, SumOffset, BandOffset;

        public void Execute(int item, int worker)
        {
            int panelGroup = item % PanelGroups, rest = item / PanelGroups, band = rest % Bands, group = rest / Bands;
            float* scratch = Scratch[worker];
            int t0 = band * BandTileRows, tileRows = Math.Min(BandTileRows, TileRows - t0);
            int n0 = group * ImagesPerItem, images = Math.Min(ImagesPerItem, Batch - n0);
            int bandRows = tileRows * 4 + 2, bandColumns = TileColumns * 4 + 2, c = Source.Channels;
            nint rowStride = (nint)bandColumns * c;
            float* bands = scratch + BandOffset;
            for (int i = 0; i < images; i++)
                Source.Stage<V>(n0 + i, t0 * 4 - 1, bandRows, -1, bandColumns, bands + i * bandRows * rowStride, scratch);
            nint* offsets = (nint*)(scratch + TableOffset);
            for (int i = 0; i < 8; i++) offsets[i] = (nint)i * c;

            float* transformed = scratch + InOffset, sums = scratch + SumOffset;
            int panel = 2 * V.Count, panels = (OutChannels + panel - 1) / panel;
            int firstPanel = (int)((long)panels * panelGroup / PanelGroups), lastPanel = (int)((long)panels * (panelGroup + 1) / PanelGroups);
            int perImage = tileRows * TileColumns, tiles = images * perImage;
            for (int block = 0; block < tiles; block += BlockTiles)
            {
                int count = Math.Min(BlockTiles, tiles - block);
                TransformTiles(bands, rowStride, bandRows * rowStride, perImage, block, count, transformed, scratch + BufferOffset);
                for (int pass = firstPanel; pass < lastPanel; pass += PassPanels)
                {
                    int end = Math.Min(pass + PassPanels, lastPanel);
                    for (int plane = 0; plane < Winograd.Planes; plane++)
                        for (int k = pass; k < end; k++)
                        {
                            float* weights = Packed + ((nint)k * Winograd.Planes + plane) * c * panel;
                            float* target = sums + plane * SumPlane + (nint)(k - pass) * BlockTiles * panel;
                            for (int t = 0; t < count; t += CpuKernels.TileRows<V>())
                                InnerTile<V>(transformed + plane * InPlane + (nint)t * c, offsets, 0, 1, c, weights, target + (nint)t * panel);
                        }
                    for (int k = pass; k < end; k++)
                        for (int t = 0; t < count; t++)
                        {
                            int i = (block + t) / perImage, index = (block + t) % perImage;
                            StoreTile(sums + ((nint)(k - pass) * BlockTiles + t) * panel, n0 + i, t0 + index / TileColumns, index % TileColumns, k * panel,
                                scratch + BufferOffset);
                        }
                }
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
                float* source = bands + i * imageStride + index / TileColumns * 4 * rowStride + (nint)(index % TileColumns) * 4 * c;
                // The last vector of a tile may reach into the next tile's place, which is written later, or into the gap between planes.
                for (int channel = 0; channel < c; channel += V.Count)
                    Winograd.TransformInput<V>(source + channel, rowStride, c, transformed + (nint)t * c + channel, InPlane, buffer);
            }
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void StoreTile(float* sums, int n, int ty, int tx, int channel0, float* buffer)
        {
            int rows = Math.Min(4, Source.Height - ty * 4), columns = Math.Min(4, Source.Width - tx * 4);
            nint pixel0 = ((nint)n * Source.Height + ty * 4) * Source.Width + tx * 4;
            int last = Math.Min(channel0 + 2 * V.Count, OutChannels);
            for (int channel = channel0; channel < last; channel += V.Count, sums += V.Count)
            {
                Winograd.TransformOutputColumns<V>(sums, SumPlane, buffer);
                int count = Math.Min(V.Count, last - channel);
                bool whole = count == V.Count && columns == 4;
                V shift = V.Zero;
                if (whole) shift = Epilogue.Shift<V>(n, channel);
                for (int i = 0; i < rows; i++)
                {
                    Winograd.TransformOutputRow(buffer, i, out V u0, out V u1, out V u2, out V u3);
                    nint at = (pixel0 + (nint)i * Source.Width) * OutChannels + channel;
                    if (whole)
                    {
                        Epilogue.StoreShifted(u0 + shift, at);
                        Epilogue.StoreShifted(u1 + shift, at + OutChannels);
                        Epilogue.StoreShifted(u2 + shift, at + 2 * (nint)OutChannels);
                        Epilogue.StoreShifted(u3 + shift, at + 3 * (nint)OutChannels);
                        continue;
                    }
                    Epilogue.StoreTail(u0, at, n, channel, count);
                    if (columns > 1) Epilogue.StoreTail(u1, at + OutChannels, n, channel, count);
                    if (columns > 2) Epilogue.StoreTail(u2, at + 2 * (nint)OutChannels, n, channel, count);
                    if (columns > 3) Epilogue.StoreTail(u3, at + 3 * (nint)OutChannels, n, channel, count);
                }
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

    /// <summary>packed[panel][plane][c][2 vectors of output channels] for a chunk of input channels c.</summary>
    private struct PackWinogradJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public const int Chunk = 16;

        public float* Weight, Packed;
        public float** Scratch;
        public bool Forward;
        public int InChannels, OutChannels, Chunks;

        public static long ScratchFloats => 9 * Chunk * 2 * V.Count + 18 * V.Count;

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        public void Execute(int item, int worker)
        {
            int panel = 2 * V.Count, k = item / Chunks, k0 = k * panel, count = Math.Min(panel, OutChannels - k0);
            int c0 = item % Chunks * Chunk, channels = Math.Min(Chunk, InChannels - c0);
            float* taps = Scratch[worker], buffer = taps + 9 * Chunk * panel;
            nint tapStride = (nint)Chunk * panel;
            for (int tap = 0; tap < 9; tap++)
            {
                float* target = taps + tap * tapStride;
                if (Forward)
                {
                    for (int j = 0; j < count; j++)
                    {
                        float* source = Weight + ((nint)(k0 + j) * 9 + tap) * InChannels + c0;
                        for (nint c = 0; c < channels; c++) target[c * panel + j] = source[c];
                    }
                }
                else
                {
                    // Seen from the input, the taps come in reverse order.
                    for (nint c = 0; c < channels; c++)
                        new ReadOnlySpan<float>(Weight + ((c0 + c) * 9 + 8 - tap) * OutChannels + k0, count).CopyTo(new(target + c * panel, count));
                }
                for (nint c = 0; c < channels; c++)
                    for (int j = count; j < panel; j++) target[c * panel + j] = 0;
            }
            nint planeStride = (nint)InChannels * panel;
            float* planes = Packed + k * Winograd.Planes * planeStride + (nint)c0 * panel;
            for (nint at = 0; at < channels * panel; at += V.Count)
                Winograd.TransformWeight<V>(taps + at, tapStride, planes + at, planeStride, buffer);
        }
    }
}
