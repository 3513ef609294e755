namespace NativeDiffusion.Model.Metrics;

/// <summary>The samples whose confidence lies in one interval: a point of a reliability diagram.</summary>
/// <param name="Lower">Confidences are above it ...</param>
/// <param name="Upper">... and at most this.</param>
/// <param name="Count">Samples.</param>
/// <param name="Confidence">Their mean confidence; NaN without samples.</param>
/// <param name="Accuracy">The share of them that is right; NaN without samples.</param>
public readonly record struct ReliabilityBin(double Lower, double Upper, long Count, double Confidence, Estimate Accuracy);

/// <summary>
/// How often a classifier is right, and whether as often as it says: accuracy, expected calibration error, the sum over bins of their share
/// times |accuracy - confidence|, and the bins (Guo et al. 2017, "On calibration of modern neural networks", arXiv 1706.04599). Bins are
/// (k/M, (k+1)/M], their edges in float32 as in the authors' code; the first of equally probable classes counts. Few samples in many bins
/// look worse calibrated than they are.
/// </summary>
public sealed class Calibration
{
    private readonly float[] _edges;
    private readonly Bin[,] _sums;
    private readonly SampleGroups _groups;

    /// <summary>Nothing yet.</summary>
    /// <param name="classes">Number of classes.</param>
    /// <param name="bins">Bins; the literature takes 15.</param>
    /// <param name="seed">Of the groups that the error comes from.</param>
    /// <exception cref="ArgumentException">A number below 1.</exception>
    public Calibration(int classes, int bins = 15, ulong seed = 0)
    {
        if (classes < 1 || bins < 1) throw new ArgumentException($"Calibration is of at least one class and bin; got {classes} and {bins}.");
        Classes = classes;
        _groups = new SampleGroups(SampleGroups.Usual, seed);
        _sums = new Bin[_groups.Count, bins];
        float step = 1f / bins;
        _edges = [.. Enumerable.Range(0, bins + 1).Select(i => i < (bins + 1) / 2 ? step * i : 1 - step * (bins - i))];
    }

    /// <summary>Number of classes.</summary>
    public int Classes { get; }

    /// <summary>Samples added so far.</summary>
    public long Count { get; private set; }

    /// <summary>Share of the samples whose most probable class is their label.</summary>
    /// <exception cref="InvalidOperationException">There are no samples.</exception>
    public Estimate Accuracy
    {
        get
        {
            var all = Enumerable.Range(0, _edges.Length - 1).Select(b => Sum(b, _ => true)).ToArray();
            return Count > 0 ? Estimate.OfShare(all.Sum(b => b.Correct), Count) : throw Empty();
        }
    }

    /// <summary>The expected calibration error, 0 to 1.</summary>
    /// <exception cref="InvalidOperationException">There are no samples.</exception>
    public Estimate Error => Count == 0
        ? throw Empty()
        : Estimate.Jackknife(ErrorOf(_ => true), [.. Enumerable.Range(0, _groups.Count).Where(HasSamples).Select(left => ErrorOf(g => g != left)).Where(double.IsFinite)]);

    /// <summary>The reliability diagram.</summary>
    public IReadOnlyList<ReliabilityBin> Bins => [.. Enumerable.Range(0, _edges.Length - 1).Select(b =>
    {
        var bin = Sum(b, _ => true);
        return new ReliabilityBin(_edges[b], _edges[b + 1], bin.Count, bin.Confidence / bin.Count,
            bin.Count > 0 ? Estimate.OfShare(bin.Correct, bin.Count) : new Estimate(double.NaN, double.NaN));
    })];

    /// <summary>Adds samples by their logits, of which this takes the softmax.</summary>
    /// <param name="logits">[n, classes].</param>
    /// <param name="labels">[n], the true classes.</param>
    /// <exception cref="ArgumentException">Lengths that do not fit, a label without class, or a logit that is not finite.</exception>
    public void AddLogits(ReadOnlySpan<float> logits, ReadOnlySpan<int> labels)
    {
        Require(logits, labels);
        for (int i = 0; i < labels.Length; i++)
        {
            var row = logits.Slice(i * Classes, Classes);
            int best = Largest(row, Count);
            double sum = 0;
            foreach (float logit in row) sum += Math.Exp((double)logit - row[best]);
            Add((float)(1 / sum), best == labels[i]);
        }
    }

    /// <summary>Adds samples by their probabilities.</summary>
    /// <param name="probabilities">[n, classes]; rows sum to 1.</param>
    /// <param name="labels">[n], the true classes.</param>
    /// <exception cref="ArgumentException">Lengths that do not fit, a label without class, or a probability outside 0 to 1.</exception>
    public void AddProbabilities(ReadOnlySpan<float> probabilities, ReadOnlySpan<int> labels)
    {
        Require(probabilities, labels);
        for (int i = 0; i < labels.Length; i++)
        {
            var row = probabilities.Slice(i * Classes, Classes);
            int best = Largest(row, Count);
            if (!(row[best] is > 0 and <= 1.0001f)) throw new ArgumentException($"The largest probability of sample {Count} is {row[best]}, outside 0 to 1.");
            Add(Math.Min(row[best], 1), best == labels[i]);
        }
    }

    private static InvalidOperationException Empty() => new("Accuracy and calibration need samples; there are none.");

    private static int Largest(ReadOnlySpan<float> row, long sample)
    {
        int best = 0;
        for (int k = 0; k < row.Length; k++)
        {
            if (!float.IsFinite(row[k])) throw new ArgumentException($"Class {k} of sample {sample} has the value {row[k]}.");
            if (row[k] > row[best]) best = k;
        }
        return best;
    }

    private void Require(ReadOnlySpan<float> rows, ReadOnlySpan<int> labels)
    {
        if (rows.Length != (long)labels.Length * Classes) throw new ArgumentException($"{labels.Length} labels of {Classes} classes go with {(long)labels.Length * Classes} values; got {rows.Length}.");
        foreach (int label in labels)
            if ((uint)label >= (uint)Classes)
                throw new ArgumentException($"There is no class {label}; classes are 0 to {Classes - 1}.");
    }

    private void Add(float confidence, bool correct)
    {
        int bin = 0;
        while (bin < _edges.Length - 2 && confidence > _edges[bin + 1]) bin++;
        ref Bin sums = ref _sums[_groups.Of(Count++), bin];
        sums = new Bin(sums.Count + 1, sums.Correct + (correct ? 1 : 0), sums.Confidence + confidence);
    }

    private bool HasSamples(int group) => Enumerable.Range(0, _edges.Length - 1).Any(b => _sums[group, b].Count > 0);

    private Bin Sum(int bin, Predicate<int> includes)
    {
        var sum = default(Bin);
        for (int g = 0; g < _groups.Count; g++)
            if (includes(g))
                sum = new Bin(sum.Count + _sums[g, bin].Count, sum.Correct + _sums[g, bin].Correct, sum.Confidence + _sums[g, bin].Confidence);
        return sum;
    }

    private double ErrorOf(Predicate<int> includes)
    {
        var bins = Enumerable.Range(0, _edges.Length - 1).Select(b => Sum(b, includes)).ToArray();
        return bins.Sum(b => Math.Abs(b.Correct - b.Confidence)) / bins.Sum(b => b.Count);
    }

    private readonly record struct Bin(long Count, long Correct, double Confidence);
}
