using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// Mean and covariance of features that arrive in batches and are not kept, in double; the same to the bit however they are cut into
/// batches. It sums ten groups of samples apart, so that what is computed from it can be had without each of them: 10 D^2 doubles, 340 MB
/// for D = 2,048.
/// </summary>
public sealed unsafe class FeatureMoments
{
    private readonly SampleGroups _groups;
    private readonly Group[] _sums;
    private readonly int _threads;
    private double[]? _origin;

    /// <summary>Nothing yet.</summary>
    /// <param name="network">What the features come from; see <see cref="FeatureSet.Network"/>.</param>
    /// <param name="features">Length of a row, D, 1 to 46,340.</param>
    /// <param name="seed">Of the groups.</param>
    /// <param name="threads">Threads; 0 takes one per processor. Results do not depend on it.</param>
    /// <exception cref="ArgumentException">No name, or a number of features out of range.</exception>
    public FeatureMoments(string network, int features, ulong seed = 0, int threads = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(network);
        if (features is < 1 or > 46340) throw new ArgumentException($"A covariance is of 1 to 46340 features; got {features}.");
        (Network, Features, _threads) = (network, features, threads == 0 ? Environment.ProcessorCount : threads);
        _groups = new SampleGroups(SampleGroups.Usual, seed);
        _sums = [.. Enumerable.Range(0, _groups.Count).Select(_ => new Group(features))];
    }

    /// <summary>What the features come from.</summary>
    public string Network { get; }

    /// <summary>Length of a row, D.</summary>
    public int Features { get; }

    /// <summary>Rows added so far.</summary>
    public long Count { get; private set; }

    /// <summary>Number of groups.</summary>
    internal int GroupCount => _sums.Length;

    /// <summary>The moments of a set.</summary>
    /// <param name="features">The set.</param>
    /// <param name="seed">Of the groups.</param>
    /// <param name="threads">Threads; 0 takes one per processor.</param>
    public static FeatureMoments Of(FeatureSet features, ulong seed = 0, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(features);
        var moments = new FeatureMoments(features.Network, features.Features, seed, threads);
        for (int i = 0; i < features.Count; i++) moments.Add(features.Row(i));
        return moments;
    }

    /// <summary>Adds rows.</summary>
    /// <param name="rows">[n, D].</param>
    /// <exception cref="ArgumentException">Not a whole number of rows, or a value that is NaN or infinite; the message says where.
    /// </exception>
    public void Add(ReadOnlySpan<float> rows)
    {
        FeatureSet.Require(rows, Features, Count);
        for (; rows.Length > 0; rows = rows[Features..])
        {
            if (_origin is null)
            {
                // Sums about a sample, not about 0: a large common mean would cost digits of the covariance.
                _origin = new double[Features];
                for (int i = 0; i < Features; i++) _origin[i] = rows[i];
            }
            _sums[_groups.Of(Count++)].Add(rows[..Features], _origin, _threads);
        }
    }

    /// <summary>Mean and covariance of all rows.</summary>
    /// <exception cref="InvalidOperationException">Fewer than two rows.</exception>
    public GaussianStatistics Statistics() => Of(_ => true);

    /// <summary>Those of the rows outside one group; null where fewer than two are left, or none is left out.</summary>
    internal GaussianStatistics? Without(int group) => _sums[group].Count == 0 || Count - _sums[group].Count < 2 ? null : Of(g => g != group);

    /// <summary>
    /// Those of two halves of the rows that have none in common. The distance between them is the floor of what a perfect generator would
    /// score with as many samples.
    /// </summary>
    /// <exception cref="InvalidOperationException">A half has fewer than two rows.</exception>
    public (GaussianStatistics First, GaussianStatistics Second) Halves() => (Of(g => g < _sums.Length / 2), Of(g => g >= _sums.Length / 2));

    private GaussianStatistics Of(Predicate<int> includes)
    {
        int d = Features;
        var groups = _sums.Where((_, g) => includes(g)).ToArray();
        long n = groups.Sum(g => (long)g.Count);
        if (n < 2) throw new InvalidOperationException($"A covariance needs at least two samples; there {(n == 1 ? "is 1" : "are none")}.");
        double[] products = new double[d * d], sums = new double[d];
        foreach (var group in groups) group.AddTo(products, sums, _threads);
        double[] mean = [.. sums.Select((s, i) => _origin![i] + s / n)];
        for (int i = 0; i < d; i++)
            for (int j = 0; j <= i; j++)
                products[j * d + i] = products[i * d + j] = (products[i * d + j] - sums[i] * sums[j] / n) / (n - 1);
        // Rounding may leave a constant feature a variance of -1e-33.
        for (int i = 0; i < d; i++) products[i * d + i] = Math.Max(0, products[i * d + i]);
        return new GaussianStatistics(Network, mean, products, n);
    }

    /// <summary>Sums of rows about the origin, and of their products on and below the diagonal.</summary>
    private sealed class Group(int features)
    {
        private readonly double[] _sums = new double[features];
        private double[]? _pending, _products;

        public int Count { get; private set; }

        private int Pending => Count % DoubleProduct.StepBlock;

        public void Add(ReadOnlySpan<float> row, double[] origin, int threads)
        {
            _pending ??= new double[DoubleProduct.StepBlock * features];
            Span<double> to = _pending.AsSpan(Pending * features, features);
            for (int i = 0; i < to.Length; i++)
            {
                to[i] = row[i] - origin[i];
                _sums[i] += to[i];
            }
            Count++;
            if (Pending == 0) Multiply(DoubleProduct.StepBlock, _products ??= new double[features * features], threads);
        }

        public void AddTo(double[] products, double[] sums, int threads)
        {
            for (int i = 0; i < sums.Length; i++) sums[i] += _sums[i];
            if (_products is not null)
                for (int i = 0; i < products.Length; i++)
                    products[i] += _products[i];
            if (Pending > 0) Multiply(Pending, products, threads);
        }

        private void Multiply(int rows, double[] products, int threads)
        {
            fixed (double* x = _pending, c = products)
                DoubleProduct.AddTransposed(x, features, x, features, rows, c, features, features, features, 1, lower: true, threads);
        }
    }
}
