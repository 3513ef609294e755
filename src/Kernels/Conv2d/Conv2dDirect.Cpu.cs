using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

/// <summary>What a convolution does to a row of sums on the way out, as pointers: see <see cref="Conv2dEpilogue"/>.</summary>
internal unsafe struct ConvEpilogue
{
    public float* Bias, Embedding, Residual, Y;
    public int Channels;
    public Activation Activation;

    /// <summary>Stores <paramref name="count"/> channels from <paramref name="channel"/> of one pixel; sums are readable up to a whole vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void Store<V>(float* sums, nint pixel, nint image, nint channel, int count)
        where V : unmanaged, ILanes<V>
    {
        nint at = pixel * Channels + channel;
        for (; count >= V.Count; count -= V.Count, sums += V.Count, channel += V.Count, at += V.Count)
            StoreShifted(V.Load(sums) + Shift<V>(image, channel), at);
        if (count > 0) StoreTail(V.Load(sums), at, image, channel, count);
    }

    /// <summary>What is added to every pixel of one image: bias + embedding.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly V Shift<V>(nint image, nint channel)
        where V : unmanaged, ILanes<V>
    {
        V shift = V.Zero;
        if (Bias != null) shift += V.Load(Bias + channel);
        if (Embedding != null) shift += V.Load(Embedding + image * Channels + channel);
        return shift;
    }

    /// <summary>The rest of the epilogue, for sums to which the shift was added.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly void StoreShifted<V>(V u, nint at)
        where V : unmanaged, ILanes<V>
    {
        if (Residual != null) u += V.Load(Residual + at);
        if (Activation != Activation.None) u = Activate(u);
        V.Store(Y + at, u);
    }

    public readonly void StoreTail<V>(V u, nint at, nint image, nint channel, int count)
        where V : unmanaged, ILanes<V>
    {
        V shift = V.Zero;
        if (Bias != null) shift += V.LoadPartial(Bias + channel, count);
        if (Embedding != null) shift += V.LoadPartial(Embedding + image * Channels + channel, count);
        u += shift;
        if (Residual != null) u += V.LoadPartial(Residual + at, count);
        if (Activation != Activation.None) u = Activate(u);
        V.StorePartial(Y + at, u, count);
    }

    public readonly void StoreScalar<V>(float u, nint pixel, nint image, nint channel)
        where V : unmanaged, ILanes<V>
    {
        nint at = pixel * Channels + channel;
        float shift = 0;
        if (Bias != null) shift += Bias[channel];
        if (Embedding != null) shift += Embedding[image * Channels + channel];
        u += shift;
        if (Residual != null) u += Residual[at];
        if (Activation == Activation.None) Y[at] = u;
        else V.StorePartial(Y + at, Activate(V.Broadcast(u)), 1);
    }

    private readonly V Activate<V>(V u)
        where V : unmanaged, ILanes<V> => Activation == Activation.Relu ? V.Max(u, V.Zero) : LanesMath.Silu(u);
}

/// <summary>
/// A correlation of an image with a window: output point (r, q) sees the taps at input rows InY0 + r InStride + a and columns InX0 + q InStride + b,
/// zero outside, and is stored at output row OutY0 + r OutStride, column OutX0 + q OutStride. A forward convolution is one of these; an input
/// gradient is one for each phase of the stride.
/// </summary>
internal struct ConvWindow
{
    public int InChannels, OutChannels, TapsY, TapsX;
    public int InStride, InY0, InX0, OutStride, OutY0, OutX0;
    public int Rows, Columns, InHeight, InWidth, OutHeight, OutWidth;

    public static ConvWindow Forward(in Conv2dShape s) => new()
    {
        InChannels = s.InChannels,
        OutChannels = s.OutChannels,
        TapsY = s.KernelHeight,
        TapsX = s.KernelWidth,
        InStride = s.Stride,
        InY0 = -s.Padding,
        InX0 = -s.LeftPadding,
        OutStride = 1,
        Rows = s.OutHeight,
        Columns = s.OutWidth,
        InHeight = s.Height,
        InWidth = s.Width,
        OutHeight = s.OutHeight,
        OutWidth = s.OutWidth,
    };

    /// <summary>The phase of input rows py, py + stride, ... and columns px, px + stride, ... of an input gradient.</summary>
    public static ConvWindow InputGrad(in Conv2dShape s, int py, int px)
    {
        (int tapsY, int inY0) = Taps(s.KernelHeight, s.Stride, s.Padding, py);
        (int tapsX, int inX0) = Taps(s.KernelWidth, s.Stride, s.LeftPadding, px);
        if (tapsY == 0 || tapsX == 0) (tapsY, tapsX) = (0, 0);
        return new()
        {
            InChannels = s.OutChannels,
            OutChannels = s.InChannels,
            TapsY = tapsY,
            TapsX = tapsX,
            InStride = 1,
            InY0 = inY0,
            InX0 = inX0,
            OutStride = s.Stride,
            OutY0 = py,
            OutX0 = px,
            Rows = Math.Max(0, (s.Height - py + s.Stride - 1) / s.Stride),
            Columns = Math.Max(0, (s.Width - px + s.Stride - 1) / s.Stride),
            InHeight = s.OutHeight,
            InWidth = s.OutWidth,
            OutHeight = s.Height,
            OutWidth = s.Width,
        };
    }

    /// <summary>Number of kernel taps that reach a phase, and the output row that the window of its first point starts at.</summary>
    private static (int Taps, int Start) Taps(int kernel, int stride, int padding, int phase)
    {
        int first = (phase + padding) % stride;
        int taps = first < kernel ? (kernel - first + stride - 1) / stride : 0;
        return (taps, (phase + padding - first) / stride - (taps - 1));
    }

    /// <summary>Length of the sum.</summary>
    public readonly long Depth => (long)TapsY * TapsX * InChannels;

    /// <summary>A few output channels, each a dot product along whole vectors, waste less than a panel of 2 vectors that they fill in part.</summary>
    public readonly bool UsesDot(int lanes) => OutChannels <= lanes / 2 && TapsX > 0 && TapsX * InChannels % lanes == 0;

    /// <summary>Output channels that are packed side by side.</summary>
    public readonly int Panel(int lanes) => UsesDot(lanes) ? 1 : 2 * lanes;

    public readonly long PackedLength(int lanes) => Depth * ((OutChannels + Panel(lanes) - 1) / Panel(lanes)) * Panel(lanes);
}

public sealed unsafe partial class CpuKernels
{
    // Half of a 1 MB second-level cache is left for weights.
    private const long BandFloats = 48 * 1024;

    private void RunWindow<V>(in ConvWindow window, in ConvSource source, int batch, float* packed, in ConvEpilogue epilogue)
        where V : unmanaged, ILanes<V>
    {
        if (window.Rows == 0 || window.Columns == 0) return;
        var job = new WindowJob<V> { Window = window, Source = source, Packed = packed, Epilogue = epilogue, Batch = batch };
        bool whole = window.InY0 >= 0 && window.InX0 >= 0
            && window.InY0 + (window.Rows - 1) * window.InStride + window.TapsY <= window.InHeight
            && window.InX0 + (window.Columns - 1) * window.InStride + window.TapsX <= window.InWidth;
        job.InPlace = (whole && source.IsPlain) || window.Depth == 0;
        job.BandColumns = (window.Columns - 1) * window.InStride + window.TapsX;

        long rowFloats = (long)job.BandColumns * window.InChannels;
        long fit = BandFloats / Math.Max(1, rowFloats * window.InStride);
        job.BandRows = (int)Math.Clamp(fit, 1, window.Rows);
        job.Bands = (window.Rows + job.BandRows - 1) / job.BandRows;
        job.BandRows = (window.Rows + job.Bands - 1) / job.Bands;
        job.Bands = (window.Rows + job.BandRows - 1) / job.BandRows;
        // Small images share an item so that its last, partly filled register tile matters less; but every thread should get work.
        job.ImagesPerItem = 1;
        if (job.Bands == 1)
        {
            long images = BandFloats / Math.Max(1, rowFloats * ((long)(window.Rows - 1) * window.InStride + window.TapsY));
            job.ImagesPerItem = (int)Math.Clamp(Math.Min(images, batch / (2L * Threads)), 1, batch);
        }
        job.ImageGroups = (batch + job.ImagesPerItem - 1) / job.ImagesPerItem;
        job.Dot = window.UsesDot(V.Count);
        int panels = job.Dot ? 1 : (window.OutChannels + 2 * V.Count - 1) / (2 * V.Count);
        job.PanelGroups = Math.Clamp((int)(4L * Threads / ((long)job.ImageGroups * job.Bands)), 1, panels);

        long staged = ((long)(job.BandRows - 1) * window.InStride + window.TapsY) * rowFloats * job.ImagesPerItem;
        int points = job.ImagesPerItem * job.BandRows * window.Columns;
        job.TableOffset = source.CoefficientFloats + WindowJob<V>.SumFloats;
        job.BandOffset = job.TableOffset + ((WindowJob<V>.TableLongs(points) * 2 + 15) & ~15);
        EnsureScratch(job.BandOffset + (job.InPlace ? 0 : staged) + 64);
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        job.Scratch = scratch;
        Pool.Run(ref job, job.ImageGroups * job.Bands * job.PanelGroups);
    }

    private struct WindowJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public ConvWindow Window;
        public ConvSource Source;
        public ConvEpilogue Epilogue;
        public float* Packed;
        public float** Scratch;
        public bool InPlace, Dot;
        public int Batch, BandRows, Bands, BandColumns, ImagesPerItem, ImageGroups, PanelGroups;
        public long TableOffset, BandOffset;

        public static long SumFloats => 8 * 2 * V.Count;

        /// <summary>Window offset, output pixel and image of each point; the last offset is repeated to fill the last register tile.</summary>
        public static long TableLongs(int points) => 3L * (points + 8);

        public void Execute(int item, int worker)
        {
            int panelGroup = item % PanelGroups, rest = item / PanelGroups, band = rest % Bands, group = rest / Bands;
            float* scratch = Scratch[worker];
            int r0 = band * BandRows, rows = Math.Min(BandRows, Window.Rows - r0);
            int n0 = group * ImagesPerItem, images = Math.Min(ImagesPerItem, Batch - n0);
            int points = images * rows * Window.Columns;
            long* table = (long*)(scratch + TableOffset);
            nint* windows = (nint*)table;
            float* windowBase = InPlace ? Source.X : scratch;
            long* pixels = table + points + 8;
            long* imageOf = pixels + points + 8;

            int stagedRows = (rows - 1) * Window.InStride + Window.TapsY;
            nint rowStride = (nint)(InPlace ? Window.InWidth : BandColumns) * Window.InChannels;
            int at = 0;
            for (int i = 0; i < images; i++)
            {
                int n = n0 + i;
                float* origin;
                if (InPlace)
                    origin = Source.X + ((nint)n * Window.InHeight + Window.InY0 + r0 * Window.InStride) * rowStride
                        + (nint)Window.InX0 * Window.InChannels;
                else
                {
                    origin = scratch + BandOffset + (nint)i * stagedRows * rowStride;
                    Source.Stage<V>(n, Window.InY0 + r0 * Window.InStride, stagedRows, Window.InX0, BandColumns, origin, scratch);
                }
                for (int r = 0; r < rows; r++)
                {
                    nint windowRow = (nint)(origin - windowBase) + (nint)r * Window.InStride * rowStride;
                    long pixelRow = ((long)n * Window.OutHeight + Window.OutY0 + (r0 + r) * Window.OutStride) * Window.OutWidth + Window.OutX0;
                    for (int q = 0; q < Window.Columns; q++, at++)
                    {
                        windows[at] = windowRow + (nint)q * Window.InStride * Window.InChannels;
                        pixels[at] = pixelRow + (long)q * Window.OutStride;
                        imageOf[at] = n;
                    }
                }
            }
            for (int i = 0; i < 8; i++) windows[points + i] = windows[points - 1];

            if (Dot)
            {
                RunDots(windowBase, windows, rowStride, points, pixels, imageOf, scratch + Source.CoefficientFloats);
                return;
            }
            int panel = 2 * V.Count, panels = (Window.OutChannels + panel - 1) / panel;
            nint depth = (nint)Window.Depth;
            float* sums = scratch + Source.CoefficientFloats;
            int lastPanel = (int)((long)panels * (panelGroup + 1) / PanelGroups);
            for (int k = (int)((long)panels * panelGroup / PanelGroups); k < lastPanel; k++)
            {
                float* b = Packed + k * depth * panel;
                int channel = k * panel, count = Math.Min(panel, Window.OutChannels - channel);
                for (int p = 0; p < points; p += TileRows<V>())
                {
                    InnerTile<V>(windowBase, windows + p, rowStride, Window.TapsY, (nint)Window.TapsX * Window.InChannels, b, sums, first: true);
                    int valid = Math.Min(TileRows<V>(), points - p);
                    for (int i = 0; i < valid; i++)
                        Epilogue.Store<V>(sums + i * panel, (nint)pixels[p + i], (nint)imageOf[p + i], channel, count);
                }
            }
        }

        private readonly void RunDots(float* windowBase, nint* windows, nint rowStride, int points, long* pixels, long* imageOf, float* sums)
        {
            nint length = (nint)Window.TapsX * Window.InChannels;
            for (int p = 0; p < points; p += 8)
                for (int k = 0; k < Window.OutChannels; k++)
                {
                    DotTile<V>(windowBase, windows + p, rowStride, Window.TapsY, length, Packed + k * (nint)Window.Depth, sums);
                    int valid = Math.Min(8, points - p);
                    for (int i = 0; i < valid; i++) Epilogue.StoreScalar<V>(sums[i], (nint)pixels[p + i], (nint)imageOf[p + i], k);
                }
        }
    }

    /// <summary>
    /// packed[panel][ty][tx][c][2 vectors of output channels] of one window; tap (ty, tx) is kernel element (KernelY0 + ty KernelStep, ...).
    /// </summary>
    private struct PackWindowJob : IWorkerJob
    {
        public ConvWindow Window;
        public float* Weight, Packed;
        public int Panel, KernelY0, KernelX0, KernelStep;
        public nint OutStep, InStep, YStep, XStep;

        public void Execute(int item, int worker)
        {
            int ty = item % Window.TapsY, k = item / Window.TapsY, channel = k * Panel;
            int count = Math.Min(Panel, Window.OutChannels - channel);
            float* target = Packed + (k * Window.Depth) * Panel + (nint)ty * Window.TapsX * Window.InChannels * Panel;
            float* source = Weight + channel * OutStep + (KernelY0 + ty * KernelStep) * YStep;
            for (int tx = 0; tx < Window.TapsX; tx++)
            {
                float* tap = source + (KernelX0 + tx * KernelStep) * XStep;
                for (int c = 0; c < Window.InChannels; c++, target += Panel)
                {
                    for (int j = 0; j < count; j++) target[j] = tap[c * InStep + j * OutStep];
                    for (int j = count; j < Panel; j++) target[j] = 0;
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
