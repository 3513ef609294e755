using System.Runtime.Intrinsics;
using NativeDiffusion.Kernels;
using NativeDiffusion.Runtime;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// Finds among all pairs of rows of two sets those that may be near: their products are one large matrix product in float32, which gives
/// bounds of the distances, and only what the bounds cannot exclude is computed in double. So the results are those of double distances, at
/// the speed of the product.
/// </summary>
internal sealed unsafe class DistanceTiles : IDisposable
{
    // Those of a set with itself are square.
    private const int TileRows = 1024, TileColumns = 2048, Width = 8;

    private readonly FeatureSet _rows, _columns;
    private readonly CpuKernels _kernels;
    private readonly Plan _plan;
    private readonly double[] _mean;
    private readonly float[] _rowNorms, _columnNorms;
    private readonly float[] _upload, _products;
    private readonly int _tileRows, _tileColumns;

    public DistanceTiles(FeatureSet rows, FeatureSet columns, int threads)
    {
        FeatureSet.RequireSame(rows.Network, rows.Features, columns.Network, columns.Features);
        (_rows, _columns) = (rows, columns);
        Threads = threads == 0 ? Environment.ProcessorCount : threads;
        _mean = MeanOf(columns);
        int features = rows.Features;
        (_tileRows, _tileColumns) = (Math.Min(TileRows, rows.Count), Math.Min(rows == columns ? TileRows : TileColumns, columns.Count));
        // Both factors rounded once, a sum of as many fused terms as there are features, and the sums of norms and product.
        double slack = (features + 16) * Math.ScaleB(1, -23);
        _rowNorms = Norms(rows, slack);
        _columnNorms = rows == columns ? _rowNorms : Norms(columns, slack);
        _upload = new float[Math.Max(_tileRows, _tileColumns) * features];
        _products = new float[_tileRows * _tileColumns];
        _kernels = new CpuKernels(Threads);
        var b = new PlanBuilder(_kernels);
        b.Output("products", b.Linear(b.Input("rows", new Shape(_tileRows, features)), b.Input("columns", new Shape(_tileColumns, features))));
        _plan = b.Build();
    }

    /// <summary>One pair of rows that may be near.</summary>
    /// <param name="row">Row of the first set.</param>
    /// <param name="column">Row of the second.</param>
    /// <param name="squaredDistance">Between them, in double.</param>
    public delegate void Pair(int row, int column, double squaredDistance);

    public int Threads { get; }

    /// <summary>Tiles of all pairs, for progress.</summary>
    public int Count
    {
        get
        {
            int rows = MatrixProduct.Blocks(_rows.Count, _tileRows);
            return _rows == _columns ? rows * (rows + 1) / 2 : rows * MatrixProduct.Blocks(_columns.Count, _tileColumns);
        }
    }

    /// <summary>
    /// Calls <paramref name="pair"/> for every pair of two sets whose squared distance is at most the larger of its row's and its column's
    /// limit, and for some more, several rows at once.
    /// </summary>
    public void Visit(double[] rowLimits, double[] columnLimits, Pair pair, Action progress, CancellationToken cancellation)
    {
        float[] bounds = [.. columnLimits.Select(l => Bound(l, 0))];
        ForEachTile((row, first, columns, products) => VisitRow(row, first, products[..columns], rowLimits, bounds.AsSpan(first, columns), pair), null, progress, cancellation);
    }

    /// <summary>
    /// Calls <paramref name="pair"/> for every row and column whose squared distance is at most the row's limit, and for some more: for
    /// each row in the order of columns, several rows at once. A row's limit may fall meanwhile. In one set each product serves both its
    /// row and its column, and no row is paired with itself.
    /// </summary>
    public void VisitNearest(double[] limits, Pair pair, Action progress, CancellationToken cancellation)
    {
        float[] none = new float[_tileColumns];
        Array.Fill(none, float.NegativeInfinity);
        ForEachTile((row, first, columns, products) => VisitRow(row, first, products[..columns], limits, none.AsSpan(0, columns), pair),
            _rows == _columns ? (column, width, first, rows) => VisitColumns(column, width, first, rows, limits, pair) : null, progress, cancellation);
    }

    private delegate void RowVisitor(int row, int firstColumn, int columns, ReadOnlySpan<float> products);

    private delegate void ColumnVisitor(int column, int width, int firstRow, int rows);

    /// <summary>Every tile; with a visitor of columns only those on and above the diagonal.</summary>
    private void ForEachTile(RowVisitor visitRow, ColumnVisitor? visitColumns, Action progress, CancellationToken cancellation)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Threads };
        for (int i = 0; i < _rows.Count; i += _tileRows)
        {
            int first = i, end = Math.Min(_rows.Count, i + _tileRows);
            Upload(_rows, i, _tileRows, "rows");
            for (int j = visitColumns is null ? 0 : i; j < _columns.Count; j += _tileColumns)
            {
                cancellation.ThrowIfCancellationRequested();
                int column = j, columns = Math.Min(_tileColumns, _columns.Count - j);
                Upload(_columns, j, _tileColumns, "columns");
                _plan.Run();
                _kernels.Download(_plan.Output("products"), _products);
                Parallel.For(first, end, parallel, row => visitRow(row, column, columns, _products.AsSpan((row - first) * _tileColumns, _tileColumns)));
                if (visitColumns is not null && j > i)
                    Parallel.For(0, MatrixProduct.Blocks(columns, Width), parallel,
                        block => visitColumns(column + block * Width, Math.Min(Width, columns - block * Width), first, end - first));
                progress();
            }
        }
    }

    public void Dispose()
    {
        _plan.Dispose();
        _kernels.Dispose();
    }

    private static double[] MeanOf(FeatureSet set)
    {
        double[] mean = new double[set.Features];
        for (int i = 0; i < set.Count; i++)
        {
            var row = set.Row(i);
            for (int f = 0; f < mean.Length; f++) mean[f] += row[f];
        }
        for (int f = 0; f < mean.Length; f++) mean[f] /= set.Count;
        return mean;
    }

    private void VisitRow(int row, int first, ReadOnlySpan<float> products, double[] rowLimits, ReadOnlySpan<float> columnBounds, Pair pair)
    {
        // |a - b|^2 <= limit excludes a pair where |b|^2 - 2 a b, less all rounding, is above limit - |a|^2.
        float norm = _rowNorms[row], limit = Bound(rowLimits[row], norm);
        var norms = _columnNorms.AsSpan(first, products.Length);
        int j = 0;
        for (; j <= products.Length - Width; j += Width)
        {
            var value = Vector256.Create(norms.Slice(j, Width)) - 2 * Vector256.Create(products.Slice(j, Width));
            var most = Vector256.Max(Vector256.Create(limit), Vector256.Create(columnBounds.Slice(j, Width)) - Vector256.Create(norm));
            if (Vector256.LessThanOrEqualAny(value, most)) Consider(j, j + Width, products, norms, columnBounds);
        }
        Consider(j, products.Length, products, norms, columnBounds);

        void Consider(int start, int end, ReadOnlySpan<float> products, ReadOnlySpan<float> norms, ReadOnlySpan<float> bounds)
        {
            for (int l = start; l < end; l++)
            {
                if (!(norms[l] - 2 * products[l] <= Math.Max(limit, bounds[l] - norm))) continue;
                Call(pair, row, first + l);
                limit = Bound(rowLimits[row], norm);
            }
        }
    }

    /// <summary>The same for a few neighbouring columns of the tile taken for rows, each with all rows of the tile.</summary>
    private void VisitColumns(int column, int width, int first, int rows, double[] limits, Pair pair)
    {
        Span<float> bounds = stackalloc float[Width];
        bounds.Fill(float.NegativeInfinity);
        for (int l = 0; l < width; l++) bounds[l] = Bound(limits[column + l], _columnNorms[column + l]);
        // The tile's own width may be no multiple of the vector's: then its last columns are looked at one by one.
        int at = column % _tileColumns;
        bool whole = at + Width <= _tileColumns;
        for (int i = 0; i < rows; i++)
        {
            var products = _products.AsSpan(i * _tileColumns + at, whole ? Width : width);
            float norm = _rowNorms[first + i];
            if (whole && !Vector256.LessThanOrEqualAny(Vector256.Create(norm) - 2 * Vector256.Create(products), Vector256.Create<float>(bounds))) continue;
            for (int l = 0; l < width; l++)
            {
                if (!(norm - 2 * products[l] <= bounds[l])) continue;
                Call(pair, column + l, first + i);
                bounds[l] = Bound(limits[column + l], _columnNorms[column + l]);
            }
        }
    }

    private void Call(Pair pair, int row, int column)
    {
        if (_rows == _columns && row == column) return;
        pair(row, column, DoubleProduct.SquaredDistance(_rows.Pointer(row), _columns.Pointer(column), _rows.Features));
    }

    private static float Bound(double limit, float norm) => (float)Math.Min(float.MaxValue, limit - norm);

    /// <summary>Squared lengths about the mean, less what rounding may take from a distance.</summary>
    private float[] Norms(FeatureSet set, double slack)
    {
        float[] norms = new float[set.Count];
        Parallel.For(0, set.Count, new ParallelOptions { MaxDegreeOfParallelism = Threads }, i =>
        {
            var row = set.Row(i);
            double sum = 0;
            for (int f = 0; f < row.Length; f++) sum += (row[f] - _mean[f]) * (row[f] - _mean[f]);
            norms[i] = (float)(sum * (1 - slack));
        });
        return norms;
    }

    private void Upload(FeatureSet set, int start, int count, string input)
    {
        int features = set.Features, rows = Math.Min(count, set.Count - start);
        // A large common mean would leave no digits for the distances.
        Parallel.For(0, rows, new ParallelOptions { MaxDegreeOfParallelism = Threads }, r =>
        {
            var row = set.Row(start + r);
            var to = _upload.AsSpan(r * features, features);
            for (int f = 0; f < to.Length; f++) to[f] = (float)(row[f] - _mean[f]);
        });
        Array.Clear(_upload, rows * features, (count - rows) * features);
        _kernels.Upload(_upload.AsSpan(0, count * features), _plan.Input(input));
    }
}
