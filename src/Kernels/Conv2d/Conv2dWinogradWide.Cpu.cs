using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

// Winograd's algorithm for layers whose transformed weights, four times as many as the weights, would fill more memory than all else and take longer
// to read than to use: they are transformed anew in every pass, a chunk of input channels of one panel of outputs at a time, and used at once, out of
// the second-level cache. First all input tiles are transformed, to be shared by all panels.
public sealed unsafe partial class CpuKernels
{
    // From 288 x 288 channels on, the transformed weights are several times as large as a second-level cache.
    private const long WinogradWideWeights = 288 * 288;

    // The transformed tiles of a round: their chunks are streamed from the third-level cache.
    private const long WinogradWideFloats = 3 * 1024 * 1024;
    private const int WinogradWideTiles = 128;

    private static bool UsesWideWinograd(in Conv2dShape s) => UsesWinograd(s) && (long)s.InChannels * s.OutChannels >= WinogradWideWeights;

    private void RunWideWinograd<V>(in ConvSource source, int batch, float* weight, bool forward, in WinogradOutput<V> output)
        where V : unmanaged, ILanes<V>
    {
        int c = source.Channels, panel = 2 * V.Count, columns = output.TileColumns, tile = TileRows<V>();
        int chunks = (c + WideJob<V>.Chunk - 1) / WideJob<V>.Chunk;
        int tileRows = batch * output.TileRows;
        long fit = Math.Min(WinogradWideTiles, WinogradWideFloats / ((long)Winograd.Planes * chunks * WideJob<V>.Chunk));
        int roundRows = (int)Math.Clamp(fit / columns, 1, tileRows), rounds = (tileRows + roundRows - 1) / roundRows;
        roundRows = (tileRows + rounds - 1) / rounds;
        int tiles = (roundRows * columns + tile - 1) / tile * tile;

        var job = new WideJob<V> { Source = source, Output = output, Weight = weight, Forward = forward, Panels = (output.Epilogue.Channels + panel - 1) / panel };
        // Planes are kept off multiples of 4 KB, where stores to them would collide in the cache.
        job.InPlane = (nint)tiles * WideJob<V>.Chunk + 16;
        job.InChunk = Winograd.Planes * job.InPlane;
        // Many threads share the tiles of few panels, at the price of transforming the weights more often.
        int splits = Math.Clamp(2 * Threads / job.Panels, 1, Math.Max(1, tiles / 32));
        job.SplitTiles = ((tiles + splits - 1) / splits + tile - 1) / tile * tile;
        job.SumPlane = (nint)job.SplitTiles * panel + 16;
        job.BufferOffset = source.CoefficientFloats;
        job.WorkOffset = job.BufferOffset + 40 * V.Count;
        job.TapOffset = job.WorkOffset + Winograd.Planes * job.SumPlane;
        job.PlaneOffset = job.TapOffset + 9 * WideJob<V>.Chunk * panel;
        long band = 6L * (columns * 4 + 2) * c + 64;
        EnsureScratch(Math.Max(job.WorkOffset + band, job.PlaneOffset + Winograd.Planes * WideJob<V>.WeightPlane));
        EnsureCommonScratch(chunks * (long)job.InChunk);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        job.Transformed = CommonScratch;
        for (job.FirstRow = 0; job.FirstRow < tileRows; job.FirstRow += roundRows)
        {
            job.Rows = Math.Min(roundRows, tileRows - job.FirstRow);
            job.Multiplying = false;
            Pool.Run(ref job, job.Rows);
            job.Multiplying = true;
            Pool.Run(ref job, job.Panels * ((job.Rows * columns + job.SplitTiles - 1) / job.SplitTiles));
        }
    }

    private struct WideJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public const int Chunk = 32;

        public ConvSource Source;
        public WinogradOutput<V> Output;
        public float* Weight, Transformed;
        public float** Scratch;
        public bool Forward, Multiplying;
        public int Panels, FirstRow, Rows, SplitTiles;
        public nint InPlane, InChunk, SumPlane;

        // At WorkOffset a worker has the band of rows that it transforms, and later the sums.
        public long BufferOffset, WorkOffset, TapOffset, PlaneOffset;

        public static nint WeightPlane => Chunk * 2 * V.Count + 16;

        public readonly void Execute(int item, int worker)
        {
            if (Multiplying) Multiply(item % Panels, item / Panels * SplitTiles, Scratch[worker]);
            else TransformRow(item, Scratch[worker]);
        }

        /// <summary>One row of tiles, to Transformed[chunk][plane][tile][channel in chunk].</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void TransformRow(int row, float* scratch)
        {
            int n = (FirstRow + row) / Output.TileRows, ty = (FirstRow + row) % Output.TileRows, c = Source.Channels, columns = Output.TileColumns * 4 + 2;
            float* band = scratch + WorkOffset, buffer = scratch + BufferOffset;
            Source.Stage<V>(n, ty * 4 - 1, 6, -1, columns, band, scratch);
            for (int tx = 0; tx < Output.TileColumns; tx++)
            {
                float* target = Transformed + ((nint)row * Output.TileColumns + tx) * Chunk;
                for (int channel = 0; channel < c; channel += V.Count)
                    Winograd.TransformInput<V>(
                        band + (nint)tx * 4 * c + channel, (nint)columns * c, c, target + channel / Chunk * InChunk + channel % Chunk, InPlane, buffer);
            }
        }

        /// <summary>One panel of output channels for some tiles.</summary>
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void Multiply(int panelIndex, int firstTile, float* scratch)
        {
            int c = Source.Channels, panel = 2 * V.Count, k0 = panelIndex * panel;
            int tiles = Math.Min(SplitTiles, Rows * Output.TileColumns - firstTile);
            float* sums = scratch + WorkOffset, planes = scratch + PlaneOffset;
            nint* offsets = stackalloc nint[8];
            for (int i = 0; i < 8; i++) offsets[i] = (nint)i * Chunk;
            float* transformed = Transformed + (nint)firstTile * Chunk;
            for (int c0 = 0; c0 < c; c0 += Chunk, transformed += InChunk)
            {
                int channels = Math.Min(Chunk, c - c0);
                TransformWeights(k0, c0, channels, scratch);
                for (int plane = 0; plane < Winograd.Planes; plane++)
                {
                    PrefetchWeights(k0, c0 + Chunk, plane);
                    for (int t = 0; t < tiles; t += TileRows<V>())
                        InnerTile<V>(transformed + plane * InPlane + (nint)t * Chunk, offsets, 0, 1, channels, planes + plane * WeightPlane,
                            sums + plane * SumPlane + (nint)t * panel, c0 == 0);
                }
            }
            for (int t = 0; t < tiles; t++)
            {
                int tile = firstTile + t, row = FirstRow + tile / Output.TileColumns;
                Output.Store(sums + (nint)t * panel, SumPlane, row / Output.TileRows, row % Output.TileRows, tile % Output.TileColumns, k0, scratch + BufferOffset);
            }
        }

        /// <summary>planes[plane][c][output channel] of a chunk of input channels and a panel of outputs.</summary>
        private readonly void TransformWeights(int k0, int c0, int channels, float* scratch)
        {
            float* taps = scratch + TapOffset, planes = scratch + PlaneOffset;
            int panel = 2 * V.Count, outChannels = Output.Epilogue.Channels;
            if (!Forward && k0 + panel <= outChannels)
            {
                // The input gradient's weights lie as they are needed, with the taps in reverse order.
                TransformPanel(Weight + ((nint)c0 * 9 + 8) * outChannels + k0, -outChannels, 9 * (nint)outChannels, channels, planes);
                return;
            }
            LoadTaps(Weight, Forward, Source.Channels, outChannels, k0, panel, c0, channels, taps, Chunk * panel);
            TransformPanel(taps, Chunk * panel, panel, channels, planes);
        }

        [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
        private static void TransformPanel(float* taps, nint tapStride, nint channelStride, int channels, float* planes)
        {
            for (int half = 0; half < 2 * channels; half++)
            {
                Winograd.TransformWeight<V>(taps, tapStride, planes, WeightPlane);
                planes += V.Count;
                taps += half % 2 == 0 ? V.Count : channelStride - V.Count;
            }
        }

        /// <summary>One plane's share of the weights of the next chunk, which come from memory in pieces too short for the hardware to foresee.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private readonly void PrefetchWeights(int k0, int c0, int plane)
        {
            if (c0 >= Source.Channels) return;
            // Forward: rows of a chunk for each output channel and tap. Input gradient: rows of a panel for each input channel and tap.
            nint rows = Forward ? 9 * Math.Min(2 * V.Count, Output.Epilogue.Channels - k0) : 9 * Math.Min(Chunk, Source.Channels - c0);
            nint length = Forward ? Source.Channels : Output.Epilogue.Channels;
            float* weights = Forward ? Weight + k0 * 9 * length + c0 : Weight + c0 * 9 * length + k0;
            for (nint row = rows * plane / Winograd.Planes; row < rows * (plane + 1) / Winograd.Planes; row++)
            {
                Prefetch(weights + row * length);
                Prefetch(weights + row * length + 16);
            }
        }
    }
}
