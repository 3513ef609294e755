namespace NativeDiffusion.Model.Metrics;

/// <summary>What <see cref="ManifoldScores.Compare"/> counts as near.</summary>
public sealed record ManifoldOptions
{
    /// <summary>Which neighbour's distance is the radius for precision and recall; published evaluations take 3.</summary>
    public int Neighbours { get; init; } = 3;

    /// <summary>The same for density and coverage; their authors take 5.</summary>
    public int DensityNeighbours { get; init; } = 5;

    /// <summary>Of the groups that the errors come from.</summary>
    public ulong Seed { get; init; }

    /// <summary>Threads; 0 takes one per processor. Results do not depend on it.</summary>
    public int Threads { get; init; }
}

/// <summary>
/// How much of the samples lies among the reference, and how much of the reference among the samples. Each picture of a set is the centre
/// of a ball that reaches its k-th nearest in that set. Precision is the share of samples in some ball of the reference, recall the share
/// of the reference in some ball of the samples (Kynkäänniemi et al. 2019, "Improved precision and recall metric for assessing generative
/// models", arXiv 1904.06991; on the surface counts, as in the released code). Density is the mean number of balls of the reference that a
/// sample is in, over k, which one outlier cannot make 1; coverage the share of the reference whose ball has a sample (Naeem et al. 2020,
/// "Reliable fidelity and diversity metrics for generative models", arXiv 2002.09797; on the surface does not count, as in the released
/// code).
/// </summary>
/// <param name="Precision">0 to 1.</param>
/// <param name="Recall">0 to 1.</param>
/// <param name="Density">From 0; about 1 for equal distributions.</param>
/// <param name="Coverage">0 to 1.</param>
public sealed record ManifoldScores(Estimate Precision, Estimate Recall, Estimate Density, Estimate Coverage)
{
    // So many more than k neighbours are known that k of them are left without any group.
    private const int Spare = 11;

    /// <summary>Compares two sets by all pairs of their rows; distances decide in double.</summary>
    /// <param name="samples">The samples.</param>
    /// <param name="reference">The reference; taken for exact by the standard errors.</param>
    /// <param name="options">What is near.</param>
    /// <param name="progress">Told the share that is done.</param>
    /// <param name="cancellation">Checked between tiles.</param>
    /// <exception cref="ArgumentException">Different networks, an option out of range, or a set that has no k-th neighbours.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static ManifoldScores Compare(
        FeatureSet samples, FeatureSet reference, ManifoldOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(reference);
        options ??= new ManifoldOptions();
        int k = options.Neighbours, densityK = options.DensityNeighbours, most = Math.Max(k, densityK);
        if (k < 1 || densityK < 1) throw new ArgumentException($"A radius reaches the first neighbour at least; got {k} and {densityK}.");
        FeatureSet.RequireSame(samples.Network, samples.Features, reference.Network, reference.Features);
        if (samples.Count <= k || reference.Count <= most)
            throw new ArgumentException($"With {most} neighbours there must be more than {k} samples and {most} of the reference; got {samples.Count} and {reference.Count}.");

        var ofReference = NearestRows.Find(reference, reference, most, options.Threads, share => progress?.Report(share / 3), cancellation);
        var ofSamples = NearestRows.Find(samples, samples, k + Spare, options.Threads, share => progress?.Report((1 + share) / 3), cancellation);
        var pass = new Pass(samples, reference, options, ofSamples, ofReference);
        pass.Run(share => progress?.Report((2 + share) / 3), cancellation);
        return pass.Scores();
    }

    /// <summary>All pairs of a sample and a row of the reference. "Variant" 0 is all samples, 1 + g all but those of group g.</summary>
    private sealed class Pass
    {
        private readonly FeatureSet _samples, _reference;
        private readonly ManifoldOptions _options;
        private readonly int _groups = SampleGroups.Usual;
        private readonly int[] _groupOf, _groupSizes;
        private readonly double[] _radii, _densityRadii, _limits, _sampleLimits;
        private readonly double[][] _sampleRadii;

        // Bits of variants for each row of the reference; marks and counts for each sample.
        private readonly uint[] _recalled, _covered;
        private readonly bool[] _precise;
        private readonly int[] _balls;

        public Pass(FeatureSet samples, FeatureSet reference, ManifoldOptions options, NearestRows ofSamples, NearestRows ofReference)
        {
            (_samples, _reference, _options) = (samples, reference, options);
            var groups = new SampleGroups(_groups, options.Seed);
            _groupOf = [.. Enumerable.Range(0, samples.Count).Select(i => groups.Of(i))];
            _groupSizes = [.. Enumerable.Range(0, _groups).Select(g => _groupOf.Count(x => x == g))];
            _radii = [.. Enumerable.Range(0, reference.Count).Select(i => ofReference.SquaredRadius(i, options.Neighbours))];
            _densityRadii = [.. Enumerable.Range(0, reference.Count).Select(i => ofReference.SquaredRadius(i, options.DensityNeighbours))];
            _limits = [.. _radii.Zip(_densityRadii, Math.Max)];
            _sampleRadii =
            [
                [.. Enumerable.Range(0, samples.Count).Select(j => ofSamples.SquaredRadius(j, options.Neighbours))],
                .. Enumerable.Range(0, _groups).Select(g =>
                    (double[])[.. Enumerable.Range(0, samples.Count).Select(j => ofSamples.SquaredRadius(j, options.Neighbours, other => _groupOf[other] != g))]),
            ];
            _sampleLimits = [.. Enumerable.Range(0, samples.Count).Select(j => _sampleRadii.Max(radii => radii[j]))];
            (_recalled, _covered) = (new uint[reference.Count], new uint[reference.Count]);
            (_precise, _balls) = (new bool[samples.Count], new int[samples.Count]);
        }

        public void Run(Action<double> progress, CancellationToken cancellation)
        {
            using var tiles = new DistanceTiles(_reference, _samples, _options.Threads);
            int done = 0;
            tiles.Visit(_limits, _sampleLimits, Consider, () => progress((double)++done / tiles.Count), cancellation);
        }

        public ManifoldScores Scores() => new(
            Estimated(v => Mean(v, j => _precise[j] ? 1 : 0)),
            Estimated(v => Share(_recalled, v)),
            Estimated(v => Mean(v, j => _balls[j]) / _options.DensityNeighbours),
            Estimated(v => Share(_covered, v)));

        // Several rows at once: what they have in common, a sample's mark and count, is set to one value or counted without loss.
        private void Consider(int row, int sample, double distance)
        {
            if (distance <= _radii[row]) _precise[sample] = true;
            if (distance < _densityRadii[row])
            {
                Interlocked.Increment(ref _balls[sample]);
                _covered[row] |= ~(2u << _groupOf[sample]);
            }
            if (distance > _sampleLimits[sample]) return;
            for (int variant = 0; variant <= _groups; variant++)
                if (variant != _groupOf[sample] + 1 && distance <= _sampleRadii[variant][sample])
                    _recalled[row] |= 1u << variant;
        }

        private Estimate Estimated(Func<int, double> ofVariant) => Estimate.Jackknife(
            ofVariant(0), [.. Enumerable.Range(0, _groups).Where(g => _groupSizes[g] > 0 && _groupSizes[g] < _samples.Count).Select(g => ofVariant(1 + g))]);

        private double Mean(int variant, Func<int, double> value)
        {
            double sum = 0;
            for (int j = 0; j < _samples.Count; j++)
                if (_groupOf[j] != variant - 1)
                    sum += value(j);
            return sum / (_samples.Count - (variant == 0 ? 0 : _groupSizes[variant - 1]));
        }

        private static double Share(uint[] variants, int variant) => (double)variants.Count(bits => (bits >> variant & 1) != 0) / variants.Length;
    }
}
