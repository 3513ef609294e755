namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// The Inception Score, exp of the mean KL(p(y|x) || p(y)): how sure a classifier is of each picture, and how evenly it finds the classes
/// (Salimans et al. 2016, "Improved techniques for training GANs", arXiv 1606.03498); 1 to the number of classes. The mean over splits of
/// consecutive samples, as published; a shorter last one counts like the others. It knows nothing of a reference: perfect samples of one
/// picture a class score highest.
/// </summary>
public sealed class InceptionScore
{
    private readonly int _splitSize;
    private readonly SampleGroups _groups;
    private readonly List<Sums[]> _splits = [];

    /// <summary>Nothing yet.</summary>
    /// <param name="classes">Number of classes.</param>
    /// <param name="splitSize">Samples of a split; published evaluations take 5,000.</param>
    /// <param name="seed">Of the groups that the error comes from.</param>
    /// <exception cref="ArgumentException">A number below 1.</exception>
    public InceptionScore(int classes, int splitSize = 5000, ulong seed = 0)
    {
        if (classes < 1 || splitSize < 1) throw new ArgumentException($"An Inception Score is of at least one class and sample; got {classes} classes, splits of {splitSize}.");
        (Classes, _splitSize) = (classes, splitSize);
        _groups = new SampleGroups(SampleGroups.Usual, seed);
    }

    /// <summary>Number of classes.</summary>
    public int Classes { get; }

    /// <summary>Samples added so far.</summary>
    public long Count { get; private set; }

    /// <summary>Adds samples.</summary>
    /// <param name="probabilities">[n, classes]; rows sum to 1. A probability of 0 counts as the limit, 0 log 0 = 0.</param>
    /// <exception cref="ArgumentException">Not a whole number of rows, or no probabilities; the message says where.</exception>
    public void Add(ReadOnlySpan<float> probabilities)
    {
        if (probabilities.Length % Classes != 0) throw new ArgumentException($"{probabilities.Length} values are not a whole number of rows of {Classes} probabilities.");
        for (; probabilities.Length > 0; probabilities = probabilities[Classes..])
        {
            if (Count % _splitSize == 0) _splits.Add([.. Enumerable.Range(0, _groups.Count).Select(_ => new Sums(Classes))]);
            _splits[^1][_groups.Of(Count)].Add(probabilities[..Classes], Count);
            Count++;
        }
    }

    /// <summary>The score.</summary>
    /// <exception cref="InvalidOperationException">There are no samples.</exception>
    public Estimate Score()
    {
        if (Count == 0) throw new InvalidOperationException("An Inception Score needs samples; there are none.");
        var without = Enumerable.Range(0, _groups.Count).Where(g => _splits.Any(s => s[g].Count > 0)).Select(left => Mean(g => g != left)).Where(double.IsFinite).ToArray();
        return Estimate.Jackknife(Mean(_ => true), without);
    }

    private double Mean(Predicate<int> includes) => _splits.Average(groups =>
    {
        var sums = new Sums(Classes);
        for (int g = 0; g < groups.Length; g++)
            if (includes(g))
                sums.Add(groups[g]);
        return sums.Score;
    });

    /// <summary>The score is exp(mean of sum p log p - sum of P log P), P the mean of p: sums are all it needs.</summary>
    private sealed class Sums(int classes)
    {
        private readonly double[] _probabilities = new double[classes];
        private double _negativeEntropy;

        public long Count { get; private set; }

        public double Score => Math.Exp(_negativeEntropy / Count - _probabilities.Sum(p => NegativeEntropy(p / Count)));

        public void Add(ReadOnlySpan<float> row, long sample)
        {
            double sum = 0;
            for (int k = 0; k < row.Length; k++)
            {
                if (!(row[k] >= 0)) throw new ArgumentException($"The probability of class {k} of sample {sample} is {row[k]}.");
                sum += row[k];
                _probabilities[k] += row[k];
                _negativeEntropy += NegativeEntropy(row[k]);
            }
            if (!(Math.Abs(sum - 1) < 1e-3)) throw new ArgumentException($"The probabilities of sample {sample} sum to {sum}; they must sum to 1.");
            Count++;
        }

        public void Add(Sums other)
        {
            for (int k = 0; k < _probabilities.Length; k++) _probabilities[k] += other._probabilities[k];
            _negativeEntropy += other._negativeEntropy;
            Count += other.Count;
        }

        private static double NegativeEntropy(double p) => p > 0 ? p * Math.Log(p) : 0;
    }
}
