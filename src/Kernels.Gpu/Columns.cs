using ILGPU;

namespace NativeDiffusion.Kernels;

/// <summary>
/// How groups of threads share out a tensor [rows, positions, channels]: each takes a band of positions of one row and some neighbouring channels,
/// and of these a thread takes one channel and every so many positions. The cut does not look at the number of rows.
/// </summary>
internal struct ColumnTile
{
    /// <summary>Extents of one row; a group has <see cref="Width"/> threads, a power of two, side by side in the channels, each with <see cref="Unit"/> of them.</summary>
    public int Positions, Channels, Width, Unit, Bands, BandLength;

    public static ColumnTile Of(long positions, int channels, int unit = 1)
    {
        int width = 32;
        while (width / 2 * unit >= channels) width /= 2;
        // 16 elements for a thread, or more where that leaves more than 256 bands to be joined.
        int lanes = GpuKernels.GroupSize / width;
        long length = Math.Max(16 / unit * lanes, (positions + 255) / 256);
        length = (length + lanes - 1) / lanes * lanes;
        return new ColumnTile
        {
            Positions = checked((int)positions),
            Channels = channels,
            Width = width,
            Unit = unit,
            Bands = (int)((positions + length - 1) / length),
            BandLength = (int)length,
        };
    }

    /// <summary>The same with one band: whole rows.</summary>
    public static ColumnTile Whole(long positions, int channels)
    {
        var tile = Of(positions, channels);
        (tile.Bands, tile.BandLength) = (1, tile.Positions);
        return tile;
    }

    /// <summary>Threads side by side in the positions.</summary>
    public readonly int Lanes => GpuKernels.GroupSize / Width;

    public readonly int Row => Grid.IdxX / Bands;

    public readonly int Band => Grid.IdxX % Bands;

    /// <summary>The thread's first channel; it may lie beyond the last.</summary>
    public readonly int Channel => (Grid.IdxY * Width + Group.IdxX % Width) * Unit;

    /// <summary>The thread's first position.</summary>
    public readonly int First => Band * BandLength + Group.IdxX / Width;

    /// <summary>The position after the thread's last.</summary>
    public readonly int End => IntrinsicMath.Min(Positions, (Band + 1) * BandLength);

    /// <summary>Index of a position of the thread's first channel.</summary>
    public readonly long At(int position) => ((long)Row * Positions + position) * Channels + Channel;
}

/// <summary>What is summed over the positions of a column; a copy for each thread, which may keep in its fields what belongs to a channel.</summary>
internal interface IColumnTerm
{
    void Begin(int row, int channel);

    /// <summary>Adds the terms of element <paramref name="at"/> of [rows, positions, channels].</summary>
    void Add(int position, long at, ref float first, ref float second);
}

/// <summary>Where the two sums of a column go; its line counts the bands of all rows.</summary>
internal interface IColumnResult
{
    void Store(int line, int channel, float first, float second);
}

/// <summary>Sums over the positions of each band, of two terms at once: by thread in ascending order, then over the threads as a tree.</summary>
internal struct ColumnSumsKernel<TTerm, TResult> : IGpuKernel
    where TTerm : struct, IColumnTerm
    where TResult : struct, IColumnResult
{
    public TTerm Term;
    public TResult Result;
    public ColumnTile Tile;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<FloatPair>(GpuKernels.GroupSize);
        int thread = Group.IdxX, channel = Tile.Channel;
        var sums = default(FloatPair);
        if (channel < Tile.Channels)
        {
            var term = Term;
            term.Begin(Tile.Row, channel);
            int p = Tile.First, end = Tile.End, lanes = Tile.Lanes;
            long at = Tile.At(p), step = (long)lanes * Tile.Channels;
            // Four at a time, so that the loads of all four are under way at once.
            for (; p < end - 3 * lanes; p += 4 * lanes, at += 4 * step)
            {
                term.Add(p, at, ref sums.First, ref sums.Second);
                term.Add(p + lanes, at + step, ref sums.First, ref sums.Second);
                term.Add(p + 2 * lanes, at + 2 * step, ref sums.First, ref sums.Second);
                term.Add(p + 3 * lanes, at + 3 * step, ref sums.First, ref sums.Second);
            }
            for (; p < end; p += lanes, at += step) term.Add(p, at, ref sums.First, ref sums.Second);
        }
        Reduction.Tree<FloatPair, FloatPair>(shared, sums, thread, GpuKernels.GroupSize / 2, Tile.Width);
        if (thread < Tile.Width && channel < Tile.Channels) Result.Store(Grid.IdxX, channel, shared[thread].First, shared[thread].Second);
    }
}

/// <summary>Two sums at once.</summary>
internal struct FloatPair : IJoin<FloatPair>
{
    public float First, Second;

    public static FloatPair Join(FloatPair a, FloatPair b) => new() { First = a.First + b.First, Second = a.Second + b.Second };
}

/// <summary>The elements themselves.</summary>
internal struct PlainTerm : IColumnTerm
{
    public ArrayView<float> X;

    public void Begin(int row, int channel) { }

    public readonly void Add(int position, long at, ref float first, ref float second) => first += X[at];
}

/// <summary>Sums [line, channel], times a factor.</summary>
internal struct PlainResult : IColumnResult
{
    public ArrayView<float> Sums;
    public float Factor;
    public int Channels, Accumulate;

    public readonly void Store(int line, int channel, float first, float second)
    {
        long at = (long)line * Channels + channel;
        Sums[at] = Accumulate != 0 ? Sums[at] + Factor * first : Factor * first;
    }
}

/// <summary>Pairs of sums [line, 2, channel], read.</summary>
internal struct PairTerm : IColumnTerm
{
    public ArrayView<float> Pairs;
    public int Channels, Channel;

    public void Begin(int row, int channel) => Channel = channel;

    public readonly void Add(int position, long at, ref float first, ref float second)
    {
        // Line l of the elements begins at l * Channels, line l of the pairs at twice that.
        long pair = 2 * at - Channel;
        first += Pairs[pair];
        second += Pairs[pair + Channels];
    }
}

/// <summary>Pairs of sums [line, 2, channel], written.</summary>
internal struct PairResult : IColumnResult
{
    public ArrayView<float> Pairs;
    public int Channels;

    public readonly void Store(int line, int channel, float first, float second)
    {
        long at = 2L * line * Channels + channel;
        Pairs[at] = first;
        Pairs[at + Channels] = second;
    }
}

/// <summary>Both sums [line, channel], each a tensor that may be left out.</summary>
internal struct VectorsResult : IColumnResult
{
    public ArrayView<float> Firsts, Seconds;
    public int HasFirsts, HasSeconds, AccumulateFirsts, AccumulateSeconds, Channels;

    public readonly void Store(int line, int channel, float first, float second)
    {
        long at = (long)line * Channels + channel;
        if (HasFirsts != 0) Firsts[at] = AccumulateFirsts != 0 ? Firsts[at] + first : first;
        if (HasSeconds != 0) Seconds[at] = AccumulateSeconds != 0 ? Seconds[at] + second : second;
    }
}

internal sealed partial class GpuKernels
{
    /// <summary>Sums over the positions of each band of [rows, positions, channels].</summary>
    private void SumColumns<TTerm, TResult>(in ColumnTile tile, int rows, TTerm term, TResult result)
        where TTerm : struct, IColumnTerm
        where TResult : struct, IColumnResult
    {
        var kernel = new ColumnSumsKernel<TTerm, TResult> { Term = term, Result = result, Tile = tile };
        Launch(kernel, (long)rows * tile.Bands, Slabs(tile));
    }

    /// <summary>sums[row, channel] = factor * sum over the positions of x[row, position, channel], or that is added.</summary>
    private void SumPositions(TensorView x, int rows, TensorView sums, float factor, bool accumulate)
    {
        int channels = x.Shape.Channels;
        var tile = ColumnTile.Of(x.Count / channels / rows, channels);
        var result = new PlainResult { Sums = View(sums), Factor = factor, Channels = channels, Accumulate = accumulate ? 1 : 0 };
        if (tile.Bands == 1)
        {
            SumColumns(tile, rows, new PlainTerm { X = View(x) }, result);
            return;
        }
        var bands = Scratch(0, (long)rows * tile.Bands * channels);
        SumColumns(tile, rows, new PlainTerm { X = View(x) }, new PlainResult { Sums = bands, Factor = 1, Channels = channels });
        SumColumns(ColumnTile.Whole(tile.Bands, channels), rows, new PlainTerm { X = bands }, result);
    }

    /// <summary>sums[c] = sum over all rows x[..., c]; or that is added.</summary>
    private void SumRows(TensorView x, TensorView sums, bool accumulate) => SumPositions(x, 1, sums, 1, accumulate);

    private VectorsResult Vectors(TensorView firsts, bool accumulateFirsts, TensorView seconds, bool accumulateSeconds) => new()
    {
        Firsts = View(firsts),
        Seconds = View(seconds),
        HasFirsts = firsts.IsEmpty ? 0 : 1,
        HasSeconds = seconds.IsEmpty ? 0 : 1,
        AccumulateFirsts = accumulateFirsts ? 1 : 0,
        AccumulateSeconds = accumulateSeconds ? 1 : 0,
        Channels = (firsts.IsEmpty ? seconds : firsts).Shape.Channels,
    };

    private static int Slabs(in ColumnTile tile) => (tile.Channels + tile.Width * tile.Unit - 1) / (tile.Width * tile.Unit);
}
