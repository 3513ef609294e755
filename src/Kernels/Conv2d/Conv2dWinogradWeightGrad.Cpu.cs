using System.Runtime.CompilerServices;

namespace NativeDiffusion.Kernels;

// dw = G^T [sum over tiles of (A dY A^T) * (B^T d B)] G: the transpose of Winograd's forward algorithm, with the sums over all tiles taken between
// the transforms. The tiles of a pass are transformed into the workspace; then every small rectangle of dw sums its 36 planes in the cache and
// transforms them back at once, so that the sums, four times as large as dw, never reach memory. Few channels on many tiles have too few rectangles to
// share and spend as much time on transforms as on sums: there groups of tiles, each with its own dw, do all of that in the cache of one worker.
public sealed unsafe partial class CpuKernels
{
    /// <summary>
    /// Units (a band of the tile rows of an image) form groups, whose units are taken in passes, which add up in dw in their order. All of it follows
    /// from the shape, so the order of every sum does.
    /// </summary>
    private readonly record struct WinogradWeightGradPlan(
        int TileRows, int TileColumns, int BandTileRows, int Bands, int Units, int Groups, int PassUnits, int InPanels, int GradPanels)
    {
        public int PassTiles => PassUnits * BandTileRows * TileColumns;

        // Planes are kept off multiples of 4 KB, where stores to them would collide in the cache.
        public nint InPlane => (nint)PassTiles * 2 * LaneCount + 16;

        public nint GradPlane => (nint)PassTiles * GradPanel + 16;

        public long InFloats => Winograd.Planes * InPlane * InPanels;

        public long TileFloats => InFloats + Winograd.Planes * GradPlane * GradPanels;

        /// <summary>Tiles before a unit, counted over the whole batch.</summary>
        public int TilesBefore(int unit) => (unit / Bands * TileRows + unit % Bands * BandTileRows) * TileColumns;
    }

    // Whole vectors and whole register tiles.
    private static int GradPanel => LaneCount == 16 ? 16 : 24;

    // The transformed tiles of a pass: they pass through the last-level cache, but must be enough to pay for the transform of the sums.
    private const long WinogradGradPassFloats = 1200 * 1024;
    private const int WinogradGradPassTiles = 32;

    // Groups: the transformed tiles of a pass stay in a second-level cache, together with a group's dw.
    private const int WinogradGradGroups = 16;
    private const int WinogradGradGroupTiles = 32;
    private const int WinogradGradGroupedWeights = 32 * 32;
    private const long WinogradGradGroupPassFloats = 256 * 1024;

    private static bool UsesWinogradWeightGrad(in Conv2dShape s) =>
        s is { KernelHeight: 3, KernelWidth: 3, Stride: 1, Padding: 1, EndPadding: 1, WidthPadding: null, InChannels: >= 16, OutChannels: >= 16 };

    private static WinogradWeightGradPlan PlanWinogradWeightGrad(in Conv2dShape s)
    {
        int panel = 2 * LaneCount, inPanels = (s.InChannels + panel - 1) / panel, gradPanels = (s.OutChannels + GradPanel - 1) / GradPanel;
        int tileRows = (s.Height + 3) / 4, tileColumns = (s.Width + 3) / 4;
        long tileFloats = Winograd.Planes * ((long)inPanels * panel + (long)gradPanels * GradPanel);
        bool grouped = (long)s.InChannels * s.OutChannels <= WinogradGradGroupedWeights
            && (long)s.Batch * tileRows * tileColumns >= WinogradGradGroups * WinogradGradGroupTiles;
        long passTiles = Math.Max((grouped ? WinogradGradGroupPassFloats : WinogradGradPassFloats) / tileFloats, WinogradGradPassTiles);
        long rowFloats = (long)(tileColumns * 4 + 2) * Math.Max(s.InChannels, s.OutChannels);
        int bandTileRows = (int)Math.Clamp(Math.Min((BandFloats / rowFloats - 2) / 4, passTiles / tileColumns), 1, tileRows);
        int bands = (tileRows + bandTileRows - 1) / bandTileRows;
        bandTileRows = (tileRows + bands - 1) / bands;
        bands = (tileRows + bandTileRows - 1) / bandTileRows;
        int units = bands * s.Batch, groups = grouped ? Math.Min(WinogradGradGroups, units) : 1, groupUnits = (units + groups - 1) / groups;
        int passUnits = (int)Math.Clamp(passTiles / (bandTileRows * tileColumns), 1, groupUnits), passes = (groupUnits + passUnits - 1) / passUnits;
        passUnits = (groupUnits + passes - 1) / passes;
        return new(tileRows, tileColumns, bandTileRows, bands, units, groups, passUnits, inPanels, gradPanels);
    }

    private static long WinogradWeightGradWorkspace(in Conv2dShape s)
    {
        var plan = PlanWinogradWeightGrad(s);
        // A whole vector is read from the end of the last group's dw.
        return plan.Groups > 1 ? plan.Groups * 9L * s.OutChannels * s.InChannels + LaneCount : plan.TileFloats;
    }

    private void RunWinogradWeightGrad<V>(in Conv2dShape shape, in ConvSource source, float* dy, float* workspace, float* dw, bool accumulate)
        where V : unmanaged, ILanes<V>
    {
        var plan = PlanWinogradWeightGrad(shape);
        long bandFloats = ((long)plan.BandTileRows * 4 + 2) * (plan.TileColumns * 4 + 2) * Math.Max(shape.InChannels, shape.OutChannels);
        long transformFloats = source.CoefficientFloats + TransformWeightGradTilesJob<V>.BufferFloats + bandFloats + V.Count;
        long workFloats = (Math.Max(transformFloats, SumWeightGradPlanesJob<V>.ScratchFloats) + 15) / 16 * 16;
        EnsureScratch(workFloats + (plan.Groups > 1 ? plan.TileFloats : 0));
        float** scratch = stackalloc float*[Threads];
        for (int i = 0; i < Threads; i++) scratch[i] = Scratch(i);
        var transform = new TransformWeightGradTilesJob<V>
        {
            Plan = plan,
            Source = source,
            Grad = ConvSource.Plain(dy, shape.Height, shape.Width, shape.OutChannels),
            In = workspace,
            Grads = workspace + plan.InFloats,
            Scratch = scratch,
        };
        var sum = new SumWeightGradPlanesJob<V>
        {
            Plan = plan,
            In = transform.In,
            Grads = transform.Grads,
            Dw = dw,
            InChannels = shape.InChannels,
            OutChannels = shape.OutChannels,
            Scratch = scratch,
        };
        if (plan.Groups > 1)
        {
            sum.Dw = workspace;
            var group = new WinogradWeightGradGroupJob<V> { Transform = transform, Sum = sum, TilesOffset = workFloats };
            Pool.Run(ref group, plan.Groups);
            int depth = 9 * shape.InChannels;
            var reduce = new ReduceWeightGradJob<V>
            {
                Sums = workspace,
                Dw = dw,
                Groups = plan.Groups,
                GroupFloats = sum.DwFloats,
                Rows = 1,
                Depth = depth,
                PaddedDepth = depth,
                Accumulate = accumulate,
            };
            Pool.Run(ref reduce, shape.OutChannels);
            return;
        }
        for (int first = 0; first < plan.Units; first += plan.PassUnits)
        {
            transform.FirstUnit = first;
            int units = Math.Min(plan.PassUnits, plan.Units - first);
            Pool.Run(ref transform, 2 * units);
            sum.Tiles = plan.TilesBefore(first + units) - plan.TilesBefore(first);
            sum.Accumulate = accumulate || first > 0;
            Pool.Run(ref sum, sum.Items);
        }
    }

    /// <summary>All passes of one group.</summary>
    private struct WinogradWeightGradGroupJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public TransformWeightGradTilesJob<V> Transform;
        public SumWeightGradPlanesJob<V> Sum;
        public long TilesOffset;

        public readonly void Execute(int item, int worker)
        {
            var (transform, sum) = (Transform, Sum);
            var plan = sum.Plan;
            transform.In = sum.In = sum.Scratch[worker] + TilesOffset;
            transform.Grads = sum.Grads = sum.In + plan.InFloats;
            sum.Dw += item * sum.DwFloats;
            int firstUnit = (int)((long)plan.Units * item / plan.Groups), lastUnit = (int)((long)plan.Units * (item + 1) / plan.Groups);
            for (int first = firstUnit; first < lastUnit; first += plan.PassUnits)
            {
                transform.FirstUnit = first;
                int units = Math.Min(plan.PassUnits, lastUnit - first);
                for (int i = 0; i < 2 * units; i++) transform.Execute(i, worker);
                sum.Tiles = plan.TilesBefore(first + units) - plan.TilesBefore(first);
                sum.Accumulate = first > firstUnit;
                for (int i = 0; i < sum.Items; i++) sum.Execute(i, worker);
            }
        }
    }

    /// <summary>Transforms the input (even items) or dy (odd items) of one unit into [panel][plane][tile][channel of the panel].</summary>
    private struct TransformWeightGradTilesJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public WinogradWeightGradPlan Plan;
        public ConvSource Source, Grad;
        public float* In, Grads;
        public float** Scratch;
        public int FirstUnit;

        public static int BufferFloats => 36 * V.Count;

        public void Execute(int item, int worker)
        {
            int unit = FirstUnit + item / 2, place = Plan.TilesBefore(unit) - Plan.TilesBefore(FirstUnit);
            int n = unit / Plan.Bands, t0 = unit % Plan.Bands * Plan.BandTileRows, tileRows = Math.Min(Plan.BandTileRows, Plan.TileRows - t0);
            float* coefficients = Scratch[worker], buffer = coefficients + Source.CoefficientFloats, band = buffer + BufferFloats;
            int columns = Plan.TileColumns * 4;
            if (item % 2 == 0)
            {
                Source.Stage<V>(n, t0 * 4 - 1, tileRows * 4 + 2, -1, columns + 2, band, coefficients);
                nint rowStride = ((nint)columns + 2) * Source.Channels;
                for (int row = 0; row < tileRows; row++) TransformInputRow(band + row * 4 * rowStride, rowStride, place + row * Plan.TileColumns, buffer);
            }
            else
            {
                // A copy even of whole tiles: reading them in tile order from memory costs more.
                Grad.Stage<V>(n, t0 * 4, tileRows * 4, 0, columns, band, coefficients);
                nint rowStride = (nint)columns * Grad.Channels;
                for (int row = 0; row < tileRows; row++) TransformGradRow(band + row * 4 * rowStride, rowStride, place + row * Plan.TileColumns, buffer);
            }
        }

        // The last vector of a tile may hold what follows its channels; it ends in columns or rows of the sums that are not stored.
        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void TransformInputRow(float* source, nint rowStride, int place, float* buffer)
        {
            nint c = Source.Channels, panel = 2 * V.Count, plane = Plan.InPlane;
            float* target = In + place * panel;
            for (int t = 0; t < Plan.TileColumns; t++, source += 4 * c, target += panel)
                for (nint channel = 0; channel < c; channel += V.Count)
                    Winograd.TransformInput<V>(source + channel, rowStride, c, target + channel / panel * Winograd.Planes * plane + channel % panel, plane, buffer);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void TransformGradRow(float* source, nint rowStride, int place, float* buffer)
        {
            nint k = Grad.Channels, panel = GradPanel, plane = Plan.GradPlane;
            float* target = Grads + place * panel;
            for (int t = 0; t < Plan.TileColumns; t++, source += 4 * k, target += panel)
                for (nint channel = 0; channel < k; channel += V.Count)
                    Winograd.TransformOutputGrad<V>(source + channel, rowStride, k, target + channel / panel * Winograd.Planes * plane + channel % panel, plane, buffer);
        }
    }

    /// <summary>One rectangle of dw, a register tile of output channels by a panel of input channels: its 36 sums, then their transform.</summary>
    private struct SumWeightGradPlanesJob<V> : IWorkerJob
        where V : unmanaged, ILanes<V>
    {
        public WinogradWeightGradPlan Plan;
        public float* In, Grads, Dw;
        public float** Scratch;
        public int Tiles, InChannels, OutChannels;
        public bool Accumulate;

        // Room for 8 rows, and off multiples of 4 KB as above.
        private static nint SumPlane => 8 * 2 * V.Count + 16;

        public readonly int Items => Plan.InPanels * ((OutChannels + TileRows<V>() - 1) / TileRows<V>());

        public readonly long DwFloats => 9L * OutChannels * InChannels;

        public static long ScratchFloats => Winograd.Planes * SumPlane + (18 + 9) * V.Count;

        public void Execute(int item, int worker)
        {
            // Neighbouring items share pages of dw.
            int k0 = item / Plan.InPanels * CpuKernels.TileRows<V>(), panel = item % Plan.InPanels, c0 = panel * 2 * V.Count;
            int rows = Math.Min(CpuKernels.TileRows<V>(), OutChannels - k0), channels = Math.Min(2 * V.Count, InChannels - c0);
            float* x = In + panel * Winograd.Planes * Plan.InPlane;
            float* d = Grads + k0 / GradPanel * Winograd.Planes * Plan.GradPlane + k0 % GradPanel;
            float* sums = Scratch[worker], target = Dw + (nint)k0 * 9 * InChannels + c0;
            for (int plane = 0; plane < Winograd.Planes; plane++, x += Plan.InPlane, d += Plan.GradPlane)
            {
                // Memory brings the lines of dw meanwhile; wide layers at a small batch would otherwise mostly wait for them.
                for (int line = plane * rows / 4; line < (plane + 1) * rows / 4; line++)
                {
                    Prefetch(target + (nint)line * InChannels);
                    Prefetch(target + (nint)line * InChannels + V.Count);
                }
                float* s = sums + plane * SumPlane;
                if (channels > V.Count) OuterTile<V>(x, 2 * V.Count, 0, d, GradPanel, 0, 1, Tiles, s, 2 * V.Count, first: true);
                else MatrixProduct.Multiply<V>(d, 1, GradPanel, rows, x, 2 * V.Count, Tiles, s, 2 * V.Count, channels, accumulate: false);
            }
            TransformBack(sums, rows, channels, target, sums + Winograd.Planes * SumPlane);
        }

        [MethodImpl(MethodImplOptions.AggressiveOptimization)]
        private readonly void TransformBack(float* sums, int rows, int channels, float* target, float* buffer)
        {
            float* taps = buffer + 18 * V.Count;
            for (int k = 0; k < rows; k++, target += 9 * (nint)InChannels)
                for (int c = 0; c < channels; c += V.Count)
                {
                    Winograd.TransformWeightGrad<V>(sums + k * 2 * V.Count + c, SumPlane, buffer, taps);
                    int count = Math.Min(V.Count, channels - c);
                    float* t = target + c;
                    for (nint tap = 0; tap < 9; tap++, t += InChannels)
                    {
                        V u = V.Load(taps + tap * V.Count);
                        if (count == V.Count)
                            V.Store(t, Accumulate ? V.Load(t) + u : u);
                        else
                            V.StorePartial(t, Accumulate ? V.LoadPartial(t, count) + u : u, count);
                    }
                }
        }
    }
}
