using NativeDiffusion.Model.Metrics;
using NativeDiffusion.Model.Metrics.Features;

namespace NativeDiffusion.Cli.Evaluating;

/// <summary>Computes every metric that a set of samples, a reference and a network allow, and says what makes a number less than it seems.</summary>
/// <param name="network">What computed the features.</param>
/// <param name="samples">The samples.</param>
/// <param name="reference">Pictures of the reference; null where there are none.</param>
/// <param name="statistics">Statistics of the reference, which go before those of its pictures; null where there are none.</param>
/// <param name="training">Where near-copies are looked for.</param>
/// <param name="settings">What to compute.</param>
/// <param name="context">Takes progress.</param>
internal sealed class Evaluation(
    FeatureNetwork network, SampleFeatures samples, SampleFeatures? reference, StatisticsFile? statistics, SampleFeatures? training, EvaluationSettings settings, CliContext context)
{
    // A sample at most half as far from its nearest training picture as from the second nearest counts as a near-copy.
    private const double CopyRatio = 0.5;

    private readonly List<EvaluationRow> _rows = [];
    private readonly List<string> _warnings = [];

    /// <summary>All that there is to compute from these.</summary>
    public Metrics Possible =>
        (network.Classes > 0 ? Metrics.InceptionScore : 0) | (network.ClassNames is not null && samples.Labels is not null ? MetricNames.NeedLabels : 0)
        | (statistics is not null || reference is not null ? Metrics.Fid | (network.SpatialFeatures > 0 && (reference is not null || statistics?.Spatial is not null) ? Metrics.SpatialFid : 0) : 0)
        | (reference is not null ? MetricNames.NeedReferencePictures & ~Metrics.Nearest : 0) | (training is not null ? Metrics.Nearest : 0);

    /// <summary>Computes.</summary>
    /// <exception cref="UsageException">Something was asked for that is not possible.</exception>
    public EvaluationResult Run()
    {
        var wanted = settings.Wanted ?? Possible;
        if ((wanted & ~Possible) is var missing and not Metrics.None) throw new UsageException($"--metrics {MetricNames.NameOf(missing)}: {WhyNot(missing)}");
        Warn();
        IReadOnlyList<ReliabilityBin>? reliability = null;
        if (wanted.HasFlag(Metrics.Fid)) Frechet("fid", "FID", samples.Moments, reference?.Moments, statistics?.Pooled);
        if (wanted.HasFlag(Metrics.SpatialFid)) Frechet("sfid", "sFID", samples.SpatialMoments!, reference?.SpatialMoments, statistics?.Spatial);
        if (wanted.HasFlag(Metrics.Kid)) Kernel();
        if (wanted.HasFlag(Metrics.InceptionScore)) Score();
        if ((wanted & (Metrics.PrecisionRecall | Metrics.DensityCoverage)) != 0) Manifolds(wanted);
        if ((wanted & MetricNames.NeedLabels) != 0) reliability = Labels(wanted);
        var (nearest, copies) = wanted.HasFlag(Metrics.Nearest) ? Nearest() : (null, null);
        return new EvaluationResult(_rows, reliability, nearest, copies, _warnings);
    }

    private string WhyNot(Metrics missing) =>
        (missing & MetricNames.NeedReference) != 0 && reference is null && statistics is null ? "needs a reference: give one by --reference."
        : (missing & MetricNames.NeedReferencePictures) != 0 && reference is null ? "needs the pictures of a reference, of which there are only statistics."
        : (missing & MetricNames.NeedLabels) != 0 ? samples.Labels is null ? "needs labels: arr_1 in an .npz file, or a folder with a sub-folder for each class." : $"needs a classifier, which '{network.Name}' is not."
        : $"needs more than the network '{network.Name}' gives.";

    private void Warn()
    {
        int count = samples.Features.Count, features = network.Features, referenceCount = reference?.Features.Count ?? 0;
        if (count <= features)
            _warnings.Add($"{count} samples are too few for {features} features: their covariance is singular, and FID comes out too high, by much; give more than {features}, if not 10,000 or more.");
        if (statistics is null && reference is not null && referenceCount <= features)
            _warnings.Add($"the reference has {referenceCount} pictures for {features} features: its covariance is singular, and FID comes out too high.");
        Duplicates(samples, "samples", "KID and precision rise or fall with them, recall falls, and standard errors, which take samples for independent, are too small");
        if (reference is not null) Duplicates(reference, "pictures of the reference", "a picture that is there more than three times has a ball of radius 0, and precision falls");
        if (reference is not null && (reference.Source.Height, reference.Source.Width, reference.Source.Channels) != (samples.Source.Height, samples.Source.Width, samples.Source.Channels))
            _warnings.Add(
                $"samples are {Size(samples)}, the reference {Size(reference)}: what the network does to bring both to one size is part of every number.");

        static string Size(SampleFeatures set) => $"{set.Source.Height} x {set.Source.Width} x {set.Source.Channels}";
    }

    private void Duplicates(SampleFeatures set, string what, string effect)
    {
        int duplicates = set.Features.CountDuplicates();
        if (duplicates > 0) _warnings.Add($"{duplicates} of {set.Features.Count} {what} have the same features as an earlier one: {effect}.");
    }

    private void Frechet(string key, string title, FeatureMoments moments, FeatureMoments? pictures, GaussianStatistics? published)
    {
        ConsoleProgress.Run(context, $"{title}, distance", 0, moments.GroupCount + 1, progress =>
        {
            var distance = new FrechetDistance(published ?? pictures!.Statistics(), settings.Threads);
            var estimate = distance.Of(moments, new ImmediateProgress<int>(done => progress.Report(done)), context.Cancellation);
            double? floor = null;
            if (pictures is { Count: >= 4 * SampleGroups.Usual })
            {
                var (first, second) = pictures.Halves();
                floor = FrechetDistance.Between(first, second, settings.Threads);
            }
            _rows.Add(new EvaluationRow(key, title, estimate, floor, "0 for equal sets; lower is better"));
        });
    }

    private void Kernel() => ConsoleProgress.Run(context, "KID, percent", 0, 100, progress => _rows.Add(new EvaluationRow("kid", "KID", KernelDistance.Of(
        samples.Features, reference!.Features, settings.Kernel, Percent(progress), context.Cancellation), null, "about 0 for equal sets, lower is better")));

    private void Score()
    {
        var score = new InceptionScore(network.Classes, settings.SplitSize, settings.Seed);
        // Samples often come sorted by class, which splits of consecutive ones must not be.
        int[] order = new int[samples.Features.Count];
        SampleGroups.Permute(order, settings.Seed, 1, 0);
        foreach (int i in order) score.Add(samples.Probabilities!.Row(i));
        _rows.Add(new EvaluationRow("inception_score", "Inception Score", score.Score(), null, $"1 to {network.Classes}; higher is better"));
    }

    private void Manifolds(Metrics wanted) => ConsoleProgress.Run(context, "neighbours, percent", 0, 100, progress =>
    {
        var scores = ManifoldScores.Compare(samples.Features, reference!.Features, settings.Manifold, Percent(progress), context.Cancellation);
        if (wanted.HasFlag(Metrics.PrecisionRecall))
        {
            _rows.Add(new EvaluationRow("precision", "precision", scores.Precision, null, "share of the samples that lies among the reference"));
            _rows.Add(new EvaluationRow("recall", "recall", scores.Recall, null, "share of the reference that lies among the samples"));
        }
        if (!wanted.HasFlag(Metrics.DensityCoverage)) return;
        _rows.Add(new EvaluationRow("density", "density", scores.Density, null, "balls of the reference around a sample, over k; about 1"));
        _rows.Add(new EvaluationRow("coverage", "coverage", scores.Coverage, null, "share of the reference that has a sample near"));
    });

    private IReadOnlyList<ReliabilityBin>? Labels(Metrics wanted)
    {
        int[] classOf = [.. samples.Source.ClassNames!.Select(ClassOf)];
        int unknown = Array.IndexOf(classOf, -1);
        if (unknown >= 0)
        {
            _warnings.Add($"the class '{samples.Source.ClassNames![unknown]}' of the samples is none of the classifier's ({string.Join(", ", network.ClassNames!.Take(20))}): no accuracy.");
            return null;
        }
        var calibration = new Calibration(network.Classes, settings.Bins, settings.Seed);
        for (int i = 0; i < samples.Features.Count; i++) calibration.AddProbabilities(samples.Probabilities!.Row(i), [classOf[samples.Labels![i]]]);
        if (wanted.HasFlag(Metrics.Accuracy)) _rows.Add(new EvaluationRow("accuracy", "accuracy", calibration.Accuracy, null, "share that the classifier takes for its class"));
        if (!wanted.HasFlag(Metrics.Calibration)) return null;
        _rows.Add(new EvaluationRow("ece", "calibration error", calibration.Error, null, "0 where the classifier is right as often as it says"));
        return calibration.Bins;
    }

    private int ClassOf(string name)
    {
        int index = network.ClassNames!.ToList().IndexOf(name);
        return index >= 0 ? index : int.TryParse(name, out int number) && number >= 0 && number < network.Classes ? number : -1;
    }

    private (IReadOnlyList<NearestPicture>, double?) Nearest()
    {
        NearestRows? found = null;
        ConsoleProgress.Run(context, "nearest pictures, percent", 0, 100, progress =>
            found = NearestRows.Find(samples.Features, training!.Features, 2, settings.Threads, share => progress.Report((long)(100 * share)), context.Cancellation));
        var pictures = Enumerable.Range(0, samples.Features.Count).Select(i =>
        {
            var (indices, squares) = found!.Of(i);
            double distance = Math.Sqrt(squares.Span[0]), second = squares.Length > 1 ? Math.Sqrt(squares.Span[1]) : double.PositiveInfinity;
            return new NearestPicture(samples.Source.NameOf(i), training!.Source.NameOf(indices.Span[0]), distance, second == 0 ? 1 : distance / second);
        }).ToArray();
        return ([.. pictures.OrderBy(p => p.Ratio).Take(settings.Nearest)], (double)pictures.Count(p => p.Ratio <= CopyRatio || p.Distance == 0) / pictures.Length);
    }

    private static ImmediateProgress<double> Percent(ConsoleProgress progress) => new(share => progress.Report((long)(100 * share)));
}
