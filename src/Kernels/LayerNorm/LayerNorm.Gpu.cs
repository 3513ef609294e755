using ILGPU;

namespace NativeDiffusion.Kernels;

internal sealed partial class GpuKernels
{
    /// <inheritdoc/>
    public void LayerNormForward(TensorView x, TensorView gamma, TensorView beta, double epsilon, TensorView y)
    {
        var kernel = new LayerNormKernel
        {
            X = View(x),
            Gamma = View(gamma),
            Beta = View(beta),
            Y = View(y),
            HasGamma = gamma.IsEmpty ? 0 : 1,
            HasBeta = beta.IsEmpty ? 0 : 1,
            RowsPerGamma = RowsPerGamma(x, gamma),
            Tile = RowTile.Of(x.Count / x.Shape.Channels, x.Shape.Channels),
            Epsilon = (float)epsilon,
        };
        Launch(kernel, kernel.Tile.Groups);
    }

    /// <inheritdoc/>
    public long LayerNormBackwardWorkspace(Shape x, bool modulated)
    {
        int groups = modulated ? x.Batch : 1;
        return 2L * groups * ColumnTile.Of(x.Count / x.Channels / groups, x.Channels).Bands * x.Channels;
    }

    /// <inheritdoc/>
    public void LayerNormBackward(
        TensorView x, TensorView gamma, double epsilon, TensorView dy, TensorView dx, bool accumulateDx, TensorView dgamma,
        bool accumulateDgamma, TensorView dbeta, bool accumulateDbeta, TensorView workspace)
    {
        int channels = x.Shape.Channels;
        long rows = x.Count / channels;
        var moments = Scratch(0, 2 * rows);
        var tile = RowTile.Of(rows, channels);
        Launch(new LayerNormMomentsKernel { X = View(x), Moments = moments, Tile = tile, Epsilon = (float)epsilon }, tile.Groups);
        // Before dx, which may take the place of dy.
        if (!dgamma.IsEmpty || !dbeta.IsEmpty)
        {
            int groups = gamma.Shape.Rank == 2 ? x.Shape.Batch : 1;
            var columns = ColumnTile.Of(rows / groups, channels);
            var term = new LayerNormGradientTerm { X = View(x), Dy = View(dy), Moments = moments, Positions = columns.Positions };
            SumPairs(columns, groups, term, Vectors(dgamma, accumulateDgamma, dbeta, accumulateDbeta), View(workspace));
        }
        if (dx.IsEmpty) return;
        var kernel = new LayerNormInputKernel
        {
            X = View(x),
            Gamma = View(gamma),
            Moments = moments,
            Dy = View(dy),
            Dx = View(dx),
            HasGamma = gamma.IsEmpty ? 0 : 1,
            RowsPerGamma = RowsPerGamma(x, gamma),
            Accumulate = accumulateDx ? 1 : 0,
            Tile = tile,
        };
        Launch(kernel, tile.Groups);
    }

    /// <summary>Rows that share a gamma to which 1 is added; 0 where all share one as it is.</summary>
    private static long RowsPerGamma(TensorView x, TensorView gamma) => gamma.Shape.Rank == 2 ? x.Shape.RowCount / x.Shape.Channels : 0;

    /// <summary>Two sums over the positions of each row of [rows, positions, channels]; the bands have 2 rows x bands x channels, or are unused if there is one.</summary>
    private void SumPairs<TTerm>(in ColumnTile columns, int rows, TTerm term, VectorsResult result, ArrayView<float> bands)
        where TTerm : struct, IColumnTerm
    {
        if (columns.Bands == 1)
        {
            SumColumns(columns, rows, term, result);
            return;
        }
        SumColumns(columns, rows, term, new PairResult { Pairs = bands, Channels = columns.Channels });
        SumColumns(ColumnTile.Whole(columns.Bands, columns.Channels), rows, new PairTerm { Pairs = bands, Channels = columns.Channels }, result);
    }
}

/// <summary>Mean and rstd of a row: a mean, then both moments of the distances from it, which also corrects that mean.</summary>
internal struct LayerNormMoments
{
    public float Mean, Rstd;

    /// <summary>Called by all threads together.</summary>
    public static LayerNormMoments Of(ArrayView<float> x, in RowTile tile, float epsilon, ArrayView<float> shared)
    {
        long start = tile.Row * tile.Width;
        float sum = 0, shift = 0, squares = 0;
        for (int i = tile.Lane; i < tile.Length; i += tile.Lanes) sum += x[start + i];
        float origin = Reduction.Sum(shared, sum, tile.Lanes) / tile.Width;
        for (int i = tile.Lane; i < tile.Length; i += tile.Lanes)
        {
            float d = x[start + i] - origin;
            shift += d;
            squares += d * d;
        }
        shift = Reduction.Sum(shared, shift, tile.Lanes) / tile.Width;
        float variance = Reduction.Sum(shared, squares, tile.Lanes) / tile.Width - shift * shift;
        return new LayerNormMoments { Mean = origin + shift, Rstd = 1f / MathF.Sqrt(ScalarMath.Max(0f, variance) + epsilon) };
    }
}

/// <summary>y.</summary>
internal struct LayerNormKernel : IGpuKernel
{
    public ArrayView<float> X, Gamma, Beta, Y;
    public int HasGamma, HasBeta;
    public long RowsPerGamma;
    public RowTile Tile;
    public float Epsilon;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        var moments = LayerNormMoments.Of(X, Tile, Epsilon, shared);
        long start = Tile.Row * Tile.Width;
        long vector = RowsPerGamma > 0 ? Tile.Row / RowsPerGamma * Tile.Width : 0;
        float unit = RowsPerGamma > 0 ? 1f : 0f;
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float factor = HasGamma != 0 ? moments.Rstd * (unit + Gamma[vector + i]) : moments.Rstd;
            float value = (X[start + i] - moments.Mean) * factor;
            Y[start + i] = HasBeta != 0 ? value + Beta[vector + i] : value;
        }
    }
}

/// <summary>Mean and rstd of every row, side by side.</summary>
internal struct LayerNormMomentsKernel : IGpuKernel
{
    public ArrayView<float> X, Moments;
    public RowTile Tile;
    public float Epsilon;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        var moments = LayerNormMoments.Of(X, Tile, Epsilon, shared);
        if (Tile.Lane > 0 || Tile.Length == 0) return;
        Moments[2 * Tile.Row] = moments.Mean;
        Moments[2 * Tile.Row + 1] = moments.Rstd;
    }
}

/// <summary>dy * xhat, and dy; positions are rows.</summary>
internal struct LayerNormGradientTerm : IColumnTerm
{
    public ArrayView<float> X, Dy, Moments;
    public int Positions;
    private long _first;

    public void Begin(int row, int channel) => _first = (long)row * Positions;

    public readonly void Add(int position, long at, ref float first, ref float second)
    {
        float dy = Dy[at];
        long row = _first + position;
        first += dy * ((X[at] - Moments[2 * row]) * Moments[2 * row + 1]);
        second += dy;
    }
}

/// <summary>dx.</summary>
internal struct LayerNormInputKernel : IGpuKernel
{
    public ArrayView<float> X, Gamma, Moments, Dy, Dx;
    public int HasGamma, Accumulate;
    public long RowsPerGamma;
    public RowTile Tile;

    public readonly void Run()
    {
        var shared = SharedMemory.Allocate<float>(GpuKernels.GroupSize);
        long start = Tile.Row * Tile.Width;
        float mean = 0, rstd = 0, plain = 0, weighted = 0;
        if (Tile.Length > 0)
        {
            mean = Moments[2 * Tile.Row];
            rstd = Moments[2 * Tile.Row + 1];
        }
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float g = Weighted(start, i);
            plain += g;
            weighted += g * ((X[start + i] - mean) * rstd);
        }
        float constant = rstd * (Reduction.Sum(shared, plain, Tile.Lanes) / Tile.Width);
        float linear = rstd * rstd * (Reduction.Sum(shared, weighted, Tile.Lanes) / Tile.Width);
        for (int i = Tile.Lane; i < Tile.Length; i += Tile.Lanes)
        {
            float value = Weighted(start, i) * rstd - ((X[start + i] - mean) * linear + constant);
            Dx[start + i] = Accumulate != 0 ? Dx[start + i] + value : value;
        }
    }

    /// <summary>dy * gamma.</summary>
    private readonly float Weighted(long start, int i)
    {
        if (HasGamma == 0) return Dy[start + i];
        return Dy[start + i] * (RowsPerGamma > 0 ? 1f + Gamma[Tile.Row / RowsPerGamma * Tile.Width + i] : Gamma[i]);
    }
}
