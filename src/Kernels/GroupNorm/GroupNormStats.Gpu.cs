using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void GroupNormStats(TensorView x, int groups, double epsilon, TensorView mean, TensorView rstd)
    {
        int channels = x.Shape.Channels, rows = x.Shape.Batch;
        var tile = ColumnTile.Of(x.Shape.RowCount / channels, channels);
        var moments = Scratch(0, 2L * rows * tile.Bands * channels);
        var bands = new GroupNormMomentsKernel { X = View(x), Moments = moments, Tile = tile, GroupSize = channels / groups };
        Launch(bands, (long)rows * tile.Bands, Slabs(tile));
        var join = new GroupNormJoinKernel
        {
            X = View(x),
            Moments = moments,
            Mean = View(mean),
            Rstd = View(rstd),
            Tile = tile,
            Lines = RowTile.Of((long)rows * groups, tile.Bands * (channels / groups)),
            Groups = groups,
            Epsilon = (float)epsilon,
        };
        Launch(join, join.Lines.Groups);
    }
}

/// <summary>
/// Number, mean and sum of squared distances from the mean. Means are kept relative to an element of the group, so that they are small numbers,
/// and exact, also where all elements are large.
/// </summary>
internal struct GroupMoments : IJoin<GroupMoments>
{
    public float Count, Mean, Deviation;

    /// <summary>The moments of both (Chan, Golub and LeVeque's update).</summary>
    public static GroupMoments Join(GroupMoments a, GroupMoments b)
    {
        float count = a.Count + b.Count, share = b.Count / ScalarMath.Max(1f, count), delta = b.Mean - a.Mean;
        return new GroupMoments
        {
            Count = count,
            Mean = a.Mean + delta * share,
            Deviation = a.Deviation + b.Deviation + delta * delta * (a.Count * share),
        };
    }
}

/// <summary>
/// Mean and squared deviation of every channel in a band, in one pass over memory: a thread sums d and d * d with d = x minus its own first element;
/// the subtraction of the squares loses little, since so few elements are never far from their first. Then the threads of a channel are joined as a
/// tree.
/// </summary>
internal struct GroupNormMomentsKernel : IGpuKernel
{
    public ArrayView<float> X, Moments;
    public ColumnTile Tile;
    public int GroupSize;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<GroupMoments>(GpuKernels.GroupSize);
        int thread = Group.IdxX, channel = Tile.Channel;
        var own = default(GroupMoments);
        if (channel < Tile.Channels && Tile.First < Tile.End) own = Sum(channel);
        Reduction.Tree<GroupMoments, GroupMoments>(shared, own, thread, GpuKernels.GroupSize / 2, Tile.Width);
        if (thread >= Tile.Width || channel >= Tile.Channels) return;
        own = shared[thread];
        long at = 2L * Grid.IdxX * Tile.Channels + channel;
        Moments[at] = own.Mean;
        Moments[at + Tile.Channels] = own.Deviation;
    }

    private readonly GroupMoments Sum(int channel)
    {
        int p = Tile.First, start = p, end = Tile.End, lanes = Tile.Lanes;
        long at = Tile.At(p), step = (long)lanes * Tile.Channels;
        float first = X[at], sum = 0, squares = 0;
        for (; p < end - 3 * lanes; p += 4 * lanes, at += 4 * step)
        {
            float a = X[at] - first, b = X[at + step] - first, c = X[at + 2 * step] - first, d = X[at + 3 * step] - first;
            sum += a + b + (c + d);
            squares += a * a + b * b + (c * c + d * d);
        }
        for (; p < end; p += lanes, at += step)
        {
            float a = X[at] - first;
            sum += a;
            squares += a * a;
        }
        float count = (p - start) / lanes, shift = sum / count;
        float origin = X[(long)Tile.Row * Tile.Positions * Tile.Channels + channel / GroupSize * GroupSize];
        return new GroupMoments { Count = count, Mean = first - origin + shift, Deviation = squares - sum * shift };
    }
}

/// <summary>Joins the bands and channels of each group: by thread in ascending order, then over the threads as a tree.</summary>
internal struct GroupNormJoinKernel : IGpuKernel
{
    public ArrayView<float> X, Moments, Mean, Rstd;
    public ColumnTile Tile;
    public RowTile Lines;
    public int Groups;
    public float Epsilon;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<GroupMoments>(GpuKernels.GroupSize);
        int lane = Lines.Lane, size = Tile.Channels / Groups;
        long row = Lines.Row / Groups;
        int channel = (int)(Lines.Row - row * Groups) * size;
        var own = default(GroupMoments);
        for (int i = lane; i < Lines.Length; i += Lines.Lanes)
        {
            int band = i / size;
            long at = 2 * (row * Tile.Bands + band) * Tile.Channels + channel + (i - band * size);
            int count = IntrinsicMath.Min(Tile.BandLength, Tile.Positions - band * Tile.BandLength);
            own = GroupMoments.Join(own, new GroupMoments { Count = count, Mean = Moments[at], Deviation = Moments[at + Tile.Channels] });
        }
        own = Reduction.Neighbours<GroupMoments, GroupMoments>(shared, own, Lines.Lanes);
        if (lane > 0 || Lines.Length == 0) return;
        Mean[Lines.Row] = X[row * Tile.Positions * Tile.Channels + channel] + own.Mean;
        // Rounding may leave a tiny negative sum where all elements are equal.
        Rstd[Lines.Row] = 1f / MathF.Sqrt(ScalarMath.Max(0f, own.Deviation) / own.Count + Epsilon);
    }
}
