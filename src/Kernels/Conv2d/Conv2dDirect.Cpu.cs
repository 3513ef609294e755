namespace NativeDiffusion.Kernels;

public sealed unsafe partial class CpuKernels
{
    // Half of a 1 MB second-level cache is left for weights.
    private const long BandFloats = 48 * 1024;

    private void RunWindow<V>(in ConvWindow window, in ConvSource source, int batch, float* packed, in ConvEpilogue epilogue)
        where V : unmanaged, ILanes<V> => RunWindows<V>(new(in window), source, batch, packed, epilogue);

    /// <summary>Windows on one image, which share what is staged of it.</summary>
    private void RunWindows<V>(ReadOnlySpan<ConvWindow> windows, in ConvSource source, int batch, float* packed, in ConvEpilogue epilogue)
        where V : unmanaged, ILanes<V>
    {
        var job = new WindowJob<V> { Source = source, Packed = packed, Epilogue = epilogue, Batch = batch, Count = windows.Length, InPlace = true };
        (job.StageY0, job.StageX0) = (int.MaxValue, int.MaxValue);
        int endY = int.MinValue, endX = int.MinValue, columns = 0, stride = windows[0].InStride, channels = windows[0].InChannels, outChannels = windows[0].OutChannels;
        foreach (ref readonly var window in windows)
        {
            if (window.Columns == 0) continue;
            job.Rows = Math.Max(job.Rows, window.Rows);
            columns = Math.Max(columns, window.Columns);
            if (window.Depth == 0) continue;
            job.InPlace &= source.IsPlain && window.IsWhole;
            (job.StageY0, job.StageX0) = (Math.Min(job.StageY0, window.InY0), Math.Min(job.StageX0, window.InX0));
            endY = Math.Max(endY, window.InY0 + window.TapsY);
            endX = Math.Max(endX, window.InX0 + (window.Columns - 1) * stride + window.TapsX);
        }
        if (job.Rows == 0) return;
        if (endY > int.MinValue) (job.StageTaps, job.BandColumns) = (endY - job.StageY0, endX - job.StageX0);

        int panels = PanelCount(V.Count, outChannels);
        long rowFloats = (long)job.BandColumns * channels;
        // Few images are divided among the threads by panels or by rows.
        int pieces = (int)Math.Clamp(2L * Threads / ((long)batch * panels), 1, Math.Max(1, job.Rows / 4));
        long fit = BandFloats / Math.Max(1, rowFloats * stride);
        job.BandRows = (int)Math.Clamp(fit, 1, (job.Rows + pieces - 1) / pieces);
        job.Bands = (job.Rows + job.BandRows - 1) / job.BandRows;
        job.BandRows = (job.Rows + job.Bands - 1) / job.Bands;
        job.Bands = (job.Rows + job.BandRows - 1) / job.BandRows;
        // Small images share an item so that its last, partly filled register tile matters less; but every thread should get work.
        job.ImagesPerItem = 1;
        if (job.Bands == 1)
        {
            long images = BandFloats / Math.Max(1, rowFloats * ((long)(job.Rows - 1) * stride + job.StageTaps));
            job.ImagesPerItem = (int)Math.Clamp(Math.Min(images, batch / (2L * Threads)), 1, batch);
        }
        job.ImageGroups = (batch + job.ImagesPerItem - 1) / job.ImagesPerItem;
        job.PanelGroups = Math.Clamp((int)(4L * Threads / ((long)job.ImageGroups * job.Bands)), 1, panels);

        long staged = ((long)(job.BandRows - 1) * stride + job.StageTaps) * rowFloats * job.ImagesPerItem;
        int points = job.ImagesPerItem * job.BandRows * columns;
        job.TableOffset = source.CoefficientFloats + WindowJob<V>.SumFloats;
        job.BandOffset = job.TableOffset + ((WindowJob<V>.TableLongs(points) * 2 + 15) & ~15);
        EnsureScratch(job.BandOffset + (job.InPlace ? 0 : staged) + 64);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        fixed (ConvWindow* first = windows)
        {
            job.Windows = first;
            Pool.Run(ref job, job.ImageGroups * job.Bands * job.PanelGroups);
        }
    }

    private struct WindowJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        private const int MostTileRows = 16;

        public ConvWindow* Windows;
        public ConvSource Source;
        public ConvEpilogue Epilogue;
        public float* Packed;
        public float** Scratch;
        public bool InPlace;
        public int Count, Batch, Rows, BandRows, Bands, BandColumns, StageY0, StageX0, StageTaps, ImagesPerItem, ImageGroups, PanelGroups;
        public long TableOffset, BandOffset;

        public static long SumFloats => MostTileRows * V.Count;

        /// <summary>Window offset, output pixel and image of each point; the last offset is repeated to fill the last register tile.</summary>
        public static long TableLongs(int points) => 3L * (points + MostTileRows);

        public void Execute(int item, int worker)
        {
            int panelGroup = item % PanelGroups, rest = item / PanelGroups, band = rest % Bands, group = rest / Bands;
            float* scratch = Scratch[worker];
            int r0 = band * BandRows, rows = Math.Min(BandRows, Rows - r0);
            int n0 = group * ImagesPerItem, images = Math.Min(ImagesPerItem, Batch - n0);
            int stagedRows = (rows - 1) * Windows->InStride + StageTaps;
            if (!InPlace)
                for (int i = 0; i < images; i++)
                    Source.Stage<V>(
                        n0 + i, StageY0 + r0 * Windows->InStride, stagedRows, StageX0, BandColumns,
                        scratch + BandOffset + (nint)i * stagedRows * BandColumns * Windows->InChannels, scratch);
            for (int i = 0; i < Count; i++)
            {
                ref readonly var window = ref Windows[i];
                int count = Math.Min(rows, window.Rows - r0);
                if (count > 0 && window.Columns > 0 && (window.Depth > 0 || Epilogue.Changes)) Run(window, r0, count, n0, images, stagedRows, panelGroup, scratch);
            }
            if (Epilogue.Finish != ConvFinish.None) Finish(r0, rows, n0, images, panelGroup);
        }

        /// <summary>All windows together fill whole rows of the output.</summary>
        private readonly void Finish(int r0, int rows, int n0, int images, int panelGroup)
        {
            int panels = PanelCount(V.Count, Windows->OutChannels);
            int first = (int)((long)panels * panelGroup / PanelGroups) * 2 * V.Count, last = (int)((long)panels * (panelGroup + 1) / PanelGroups) * 2 * V.Count;
            int height = Windows->OutHeight, width = Windows->OutWidth, stride = Windows->OutStride, end = Math.Min((r0 + rows) * stride, height);
            for (int n = n0; n < n0 + images; n++)
                Epilogue.FinishPixels<V>(((nint)n * height + r0 * stride) * width, (nint)(end - r0 * stride) * width, first, Math.Min(last, Windows->OutChannels) - first);
        }

        private readonly void Run(in ConvWindow window, int r0, int rows, int n0, int images, int stagedRows, int panelGroup, float* scratch)
        {
            int points = images * rows * window.Columns;
            long* table = (long*)(scratch + TableOffset);
            nint* windows = (nint*)table;
            float* windowBase = InPlace ? Source.X : scratch;
            long* pixels = table + points + MostTileRows;
            long* imageOf = pixels + points + MostTileRows;

            nint rowStride = (nint)(InPlace ? window.InWidth : BandColumns) * window.InChannels;
            int at = 0;
            for (int i = 0; i < images; i++)
            {
                int n = n0 + i;
                nint origin = InPlace
                    ? ((nint)n * window.InHeight + window.InY0 + r0 * window.InStride) * rowStride + (nint)window.InX0 * window.InChannels
                    : (nint)BandOffset + ((nint)i * stagedRows + window.InY0 - StageY0) * rowStride + (nint)(window.InX0 - StageX0) * window.InChannels;
                for (int r = 0; r < rows; r++)
                {
                    nint windowRow = origin + (nint)r * window.InStride * rowStride;
                    long pixelRow = ((long)n * window.OutHeight + window.OutY0 + (r0 + r) * window.OutStride) * window.OutWidth + window.OutX0;
                    for (int q = 0; q < window.Columns; q++, at++)
                    {
                        windows[at] = windowRow + (nint)q * window.InStride * window.InChannels;
                        pixels[at] = pixelRow + (long)q * window.OutStride;
                        imageOf[at] = n;
                    }
                }
            }
            for (int i = 0; i < MostTileRows; i++) windows[points + i] = windows[points - 1];

            float* sums = scratch + Source.CoefficientFloats, packed = Packed + window.Packed;
            if (window.UsesDot(V.Count))
            {
                if (panelGroup == 0) RunDots(window, windowBase, windows, rowStride, points, pixels, imageOf, packed, sums);
                return;
            }
            int panels = PanelCount(V.Count, window.OutChannels);
            nint depth = (nint)window.Depth;
            int lastPanel = (int)((long)panels * (panelGroup + 1) / PanelGroups);
            for (int k = (int)((long)panels * panelGroup / PanelGroups); k < lastPanel; k++)
            {
                int channel = k * 2 * V.Count, panel = PanelWidth(V.Count, channel, window.OutChannels), tile = PanelRows<V>(panel);
                float* b = packed + channel * depth;
                int count = Math.Min(panel, window.OutChannels - channel);
                for (int p = 0; p < points; p += tile)
                {
                    int valid = Math.Min(tile, points - p);
                    PanelTile<V>(panel, windowBase, windows + p, rowStride, window.TapsY, (nint)window.TapsX * window.InChannels, b, sums);
                    for (int i = 0; i < valid; i++)
                        Epilogue.Store<V>(sums + i * panel, (nint)pixels[p + i], (nint)imageOf[p + i], channel, count);
                }
            }
        }

        private readonly void RunDots(
            in ConvWindow window, float* windowBase, nint* windows, nint rowStride, int points, long* pixels, long* imageOf, float* packed, float* sums)
        {
            nint length = (nint)window.TapsX * window.InChannels;
            for (int p = 0; p < points; p += 8)
                for (int k = 0; k < window.OutChannels; k++)
                {
                    DotTile<V>(windowBase, windows + p, rowStride, window.TapsY, length, packed + k * (nint)window.Depth, sums);
                    int valid = Math.Min(8, points - p);
                    for (int i = 0; i < valid; i++) Epilogue.StoreScalar<V>(sums[i], (nint)pixels[p + i], (nint)imageOf[p + i], k);
                }
        }
    }

    /// <summary>
    /// packed[panel][ty][tx][c][output channels of the panel] of one window; tap (ty, tx) is kernel element (KernelY0 + ty KernelStep, ...).
    /// </summary>
    private struct PackWindowJob : IWorkerJob
    {
        public ConvWindow Window;
        public float* Weight, Packed;
        public int Panel, Lanes, KernelY0, KernelX0, KernelStep;
        public nint OutStep, InStep, YStep, XStep;

        public void Execute(int item, int worker)
        {
            int ty = item % Window.TapsY, channel = item / Window.TapsY * Panel, width = Panel == 1 ? 1 : PanelWidth(Lanes, channel, Window.OutChannels);
            int count = Math.Min(width, Window.OutChannels - channel);
            float* target = Packed + channel * Window.Depth + (nint)ty * Window.TapsX * Window.InChannels * width;
            float* source = Weight + channel * OutStep + (KernelY0 + ty * KernelStep) * YStep;
            for (int tx = 0; tx < Window.TapsX; tx++)
            {
                float* tap = source + (KernelX0 + tx * KernelStep) * XStep;
                for (int c = 0; c < Window.InChannels; c++, target += width)
                {
                    for (int j = 0; j < count; j++) target[j] = tap[c * InStep + j * OutStep];
                    for (int j = count; j < width; j++) target[j] = 0;
                }
            }
        }
    }

    private void PackWindow(in ConvWindow window, in Conv2dShape s, Conv2dPass pass, int phaseY, int phaseX, float* weight, float* packed)
    {
        if (window.Depth == 0) return;
        int panel = window.Panel(LaneCount);
        nint outStep = (nint)s.KernelHeight * s.KernelWidth * s.InChannels;
        var job = new PackWindowJob
        {
            Window = window,
            Weight = weight,
            Packed = packed,
            Panel = panel,
            Lanes = LaneCount,
            YStep = (nint)s.KernelWidth * s.InChannels,
            XStep = s.InChannels,
        };
        if (pass == Conv2dPass.Forward)
            (job.OutStep, job.InStep, job.KernelStep) = (outStep, 1, 1);
        else
        {
            // Seen from the input, the taps come in reverse order.
            (job.OutStep, job.InStep, job.KernelStep) = (1, outStep, -s.Stride);
            job.KernelY0 = (phaseY + s.Padding) % s.Stride + (window.TapsY - 1) * s.Stride;
            job.KernelX0 = (phaseX + s.LeftPadding) % s.Stride + (window.TapsX - 1) * s.Stride;
        }
        Pool.Run(ref job, (window.OutChannels + panel - 1) / panel * window.TapsY);
    }
}
