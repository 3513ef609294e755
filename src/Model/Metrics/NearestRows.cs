namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// For each row of a set its nearest rows in another set, or the nearest others in the same, by Euclidean distance in double; ties go to
/// the earlier row.
/// </summary>
internal sealed class NearestRows
{
    private readonly int _most;
    private readonly double[] _distances;
    private readonly int[] _indices, _counts;

    private NearestRows(int rows, int most)
    {
        (_most, Rows) = (most, rows);
        (_distances, _indices, _counts) = (new double[rows * most], new int[rows * most], new int[rows]);
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Finds them.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="others">Where to look; the same set leaves out the row itself.</param>
    /// <param name="most">How many of each row.</param>
    /// <param name="threads">Threads; 0 takes one per processor.</param>
    /// <param name="progress">Told the share that is done.</param>
    /// <param name="cancellation">Checked between tiles.</param>
    public static NearestRows Find(FeatureSet rows, FeatureSet others, int most, int threads, Action<double>? progress = null, CancellationToken cancellation = default)
    {
        var found = new NearestRows(rows.Count, most);
        double[] limits = new double[rows.Count];
        Array.Fill(limits, double.PositiveInfinity);
        using var tiles = new DistanceTiles(rows, others, threads);
        int done = 0;
        tiles.VisitNearest(limits, (i, j, distance) =>
        {
            found.Insert(i, j, distance);
            if (found._counts[i] == most) limits[i] = found._distances[(i + 1) * most - 1];
        }, () => progress?.Invoke((double)++done / tiles.Count), cancellation);
        return found;
    }

    /// <summary>The nearest rows of a row, nearest first: as many as were asked for, or as there are.</summary>
    public (ReadOnlyMemory<int> Indices, ReadOnlyMemory<double> SquaredDistances) Of(int row) =>
        (_indices.AsMemory(row * _most, _counts[row]), _distances.AsMemory(row * _most, _counts[row]));

    /// <summary>
    /// Squared distance of the k-th nearest row (from 1), of those that <paramref name="includes"/> tells; that of the farthest known where
    /// there are fewer.
    /// </summary>
    public double SquaredRadius(int row, int k, Predicate<int>? includes = null)
    {
        double radius = 0;
        for (int n = row * _most, end = n + _counts[row]; n < end && k > 0; n++)
            if (includes is null || includes(_indices[n]))
            {
                radius = _distances[n];
                k--;
            }
        return radius;
    }

    private void Insert(int row, int index, double distance)
    {
        int start = row * _most, at = start + _counts[row];
        if (_counts[row] == _most)
        {
            if (distance >= _distances[at - 1]) return;
            at--;
        }
        else _counts[row]++;
        // Columns come in ascending order, so one that is as far as an earlier one goes behind it.
        for (; at > start && _distances[at - 1] > distance; at--) (_distances[at], _indices[at]) = (_distances[at - 1], _indices[at - 1]);
        (_distances[at], _indices[at]) = (distance, index);
    }
}
