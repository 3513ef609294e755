using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public long GroupNormBackwardWorkspace(Shape x, int groups) =>
        2L * x.Batch * ((ColumnTile.Of(x.RowCount / x.Channels, x.Channels).Bands + 1L) * x.Channels + groups);

    /// <inheritdoc/>
    public void GroupNormBackward(
        TensorView x, TensorView mean, TensorView rstd, TensorView gamma, TensorView beta, TensorView scaleShift, bool silu, TensorView dy,
        TensorView dx, bool accumulateDx, TensorView dgamma, bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta,
        TensorView dscaleShift, bool accumulateDscaleShift, TensorView workspace)
    {
        int channels = x.Shape.Channels, rows = x.Shape.Batch, groups = mean.Shape.Channels;
        long positions = x.Shape.RowCount / channels;
        var tile = ColumnTile.Of(positions, channels);
        var affine = Affine(x, mean, rstd, gamma, beta, scaleShift, silu);
        // The workspace: sums per band, then per row, and per group the two terms that all its elements share.
        long bandSums = 2L * rows * tile.Bands * channels, rowSums = 2L * rows * channels;
        var space = View(workspace);
        ArrayView<float> ofBands = space.SubView(0, bandSums), ofRows = space.SubView(bandSums, rowSums);
        var shared = space.SubView(bandSums + rowSums, 2L * rows * groups);

        SumColumns(tile, rows, new GroupNormGradientTerm { Affine = affine, Dy = View(dy) }, new PairResult { Pairs = ofBands, Channels = channels });
        var rowResult = new GroupNormRowResult
        {
            Affine = affine,
            RowSums = ofRows,
            DscaleShift = View(dscaleShift),
            HasDscaleShift = dscaleShift.IsEmpty ? 0 : 1,
            Accumulate = accumulateDscaleShift ? 1 : 0,
        };
        SumColumns(ColumnTile.Whole(tile.Bands, channels), rows, new PairTerm { Pairs = ofBands, Channels = channels }, rowResult);
        if (!dx.IsEmpty)
        {
            long count = (long)rows * groups;
            LaunchEach(new GroupNormSharedKernel { Affine = affine, RowSums = ofRows, Shared = shared, Count = count, Elements = positions * (channels / groups) }, count);
            MapColumns(rows, new GroupNormInputFormula { Affine = affine, Shared = shared }, x, dy, dx, accumulateDx);
        }
        if (dgamma.IsEmpty && dbeta.IsEmpty) return;
        var batch = ColumnTile.Whole(rows, channels);
        SumColumns(batch, 1, new GroupNormRowTerm { Affine = affine, RowSums = ofRows }, Vectors(dbeta, accumulateDbeta, dgamma, accumulateDgamma));
    }
}

/// <summary>dz, and dz * (x - mean).</summary>
internal struct GroupNormGradientTerm : IColumnTerm
{
    public GroupNormChannel Affine;
    public ArrayView<float> Dy;

    public void Begin(int row, int channel) => Affine.Begin(row, channel);

    public readonly void Add(int position, long at, ref float first, ref float second)
    {
        float distance = Affine.Distance(at), dz = Affine.Slope(distance, Dy[at]);
        first += dz;
        second += dz * distance;
    }
}

/// <summary>The sums of dz and of dz * xhat of a row, and from them the gradients of scale and shift.</summary>
internal struct GroupNormRowResult : IColumnResult
{
    public GroupNormChannel Affine;
    public ArrayView<float> RowSums, DscaleShift;
    public int HasDscaleShift, Accumulate;

    public readonly void Store(int line, int channel, float first, float second)
    {
        int channels = Affine.Channels;
        long scale = 2L * line * channels + channel, shift = scale + channels;
        float weighted = second * Affine.Rstds[(long)line * Affine.Groups + channel / (channels / Affine.Groups)];
        RowSums[scale] = first;
        RowSums[shift] = weighted;
        if (HasDscaleShift == 0) return;
        float dscale = Affine.Gammas[channel] * weighted + Affine.Betas[channel] * first;
        DscaleShift[scale] = Accumulate != 0 ? DscaleShift[scale] + dscale : dscale;
        DscaleShift[shift] = Accumulate != 0 ? DscaleShift[shift] + first : first;
    }
}

/// <summary>Per group of a row a and b of dx = dz * factor - a - (x - mean) * b.</summary>
internal struct GroupNormSharedKernel : IGpuKernel
{
    public GroupNormChannel Affine;
    public ArrayView<float> RowSums, Shared;
    public long Count;
    public float Elements;

    public readonly void Run()
    {
        long group = (long)Grid.IdxX * Group.DimX + Group.IdxX;
        if (group >= Count) return;
        int channels = Affine.Channels, size = channels / Affine.Groups;
        long row = group / Affine.Groups;
        int start = (int)(group - row * Affine.Groups) * size;
        float plain = 0, weighted = 0;
        for (int c = start; c < start + size; c++)
        {
            float gain = Affine.Gammas[c] * Affine.Scale(row, c);
            plain += gain * RowSums[2 * row * channels + c];
            weighted += gain * RowSums[2 * row * channels + channels + c];
        }
        float rstd = Affine.Rstds[group];
        Shared[2 * group] = rstd * plain / Elements;
        Shared[2 * group + 1] = rstd * rstd * weighted / Elements;
    }
}

/// <summary>dx.</summary>
internal struct GroupNormInputFormula : IColumnFormula
{
    public GroupNormChannel Affine;
    public ArrayView<float> Shared;
    public float Constant, Linear;

    public void Begin(int row, int channel)
    {
        Affine.Begin(row, channel);
        long group = (long)row * Affine.Groups + channel / (Affine.Channels / Affine.Groups);
        Constant = Shared[2 * group];
        Linear = Shared[2 * group + 1];
    }

    public readonly float Invoke(float x, float z)
    {
        float distance = x - Affine.Mean;
        return Affine.Slope(distance, z) * Affine.Factor - (distance * Linear + Constant);
    }
}

/// <summary>The sums of a row times 1 + scale; positions are batch rows.</summary>
internal struct GroupNormRowTerm : IColumnTerm
{
    public GroupNormChannel Affine;
    public ArrayView<float> RowSums;
    public int Channel;

    public void Begin(int row, int channel) => Channel = channel;

    public readonly void Add(int position, long at, ref float first, ref float second)
    {
        float scale = Affine.Scale(position, Channel);
        long pair = 2 * at - Channel;
        first += scale * RowSums[pair];
        second += scale * RowSums[pair + Affine.Channels];
    }
}
