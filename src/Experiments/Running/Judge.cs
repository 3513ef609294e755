using NativeDiffusion.Model.Classifiers;
using NativeDiffusion.Model.Data;
using NativeDiffusion.Model.Metrics;

namespace NativeDiffusion.Experiments.Running;

/// <summary>A column of an experiment's table.</summary>
/// <param name="Key">Its name in files.</param>
/// <param name="Head">Its name in reports.</param>
/// <param name="What">What it says.</param>
/// <param name="Better">1 where more is better, -1 where less is.</param>
internal sealed record Metric(string Key, string Head, string What, int Better);

/// <summary>Judges drawn images by a classifier that guided none of them, beside real ones.</summary>
internal sealed class Judge : IDisposable
{
    private const int MostReference = 5000, Groups = 10;

    public static readonly IReadOnlyList<Metric> Metrics =
    [
        new("accuracy", "accuracy", "share of the images that the judge takes for the class they were drawn for", 1),
        new("inception", "Inception Score", "of the judge's probabilities: how sure it is of each image, and how evenly it finds the classes; at most their number (Salimans et al. 2016)", 1),
        new("frechet", "Fréchet distance", "of the judge's features from those of the real images", -1),
        new("precision", "precision", "share of the images that lie among real ones (Kynkäänniemi et al. 2019, third neighbour)", 1),
        new("recall", "recall", "share of the real images that lie among drawn ones", 1),
        new("spread", "spread", "variance of the pixels within a class, 1 for that of the real images", 1),
    ];

    private readonly ImageClassifier _classifier;
    private readonly FrechetDistance _distance;
    private readonly FeatureSet _reference;
    private readonly double _spread;

    /// <summary>Looks at the real images.</summary>
    /// <param name="classifier">Judges; this disposes it.</param>
    /// <param name="reference">Real images that the model never saw.</param>
    public Judge(ImageClassifier classifier, ImageDataset reference)
    {
        _classifier = classifier;
        var seen = classifier.Classify(reference);
        (Network, Reference) = ($"features of the judge, {seen.FeatureCount} values", reference);
        var all = FeaturesOf(seen, seen.Count);
        _reference = FeaturesOf(seen, Math.Min(MostReference, seen.Count));
        _distance = new FrechetDistance(FeatureMoments.Of(all).Statistics());
        _spread = SampleQuality.WithinClassVariance(reference);
        Classes = classifier.Classes;
    }

    /// <summary>What the features come from.</summary>
    public string Network { get; }

    public ImageDataset Reference { get; }

    public int Classes { get; }

    /// <summary>Every metric of images whose labels are the classes that they were drawn for.</summary>
    public Dictionary<string, Estimate> Measure(ImageDataset images)
    {
        var seen = _classifier.Classify(images);
        var features = FeaturesOf(seen, seen.Count);
        var manifold = ManifoldScores.Compare(features, _reference);
        return new()
        {
            ["accuracy"] = Share(seen.CountCorrect(images.Labels.Span), images.Count),
            ["inception"] = Inception(seen),
            ["frechet"] = _distance.Of(FeatureMoments.Of(features)),
            ["precision"] = manifold.Precision,
            ["recall"] = manifold.Recall,
            ["spread"] = Spread(images),
        };
    }

    public void Dispose() => _classifier.Dispose();

    /// <summary>A share with the error of Agresti and Coull (1998), which is not 0 where all are right.</summary>
    internal static Estimate Share(int counted, int all)
    {
        double n = all + 4.0, p = (counted + 2) / n;
        return new Estimate((double)counted / all, Math.Sqrt(p * (1 - p) / n));
    }

    private Estimate Inception(Classification seen)
    {
        var score = new InceptionScore(Classes);
        score.Add(seen.Probabilities);
        return score.Score();
    }

    private FeatureSet FeaturesOf(Classification seen, int count)
    {
        var features = new FeatureSet(Network, seen.FeatureCount);
        features.Add(seen.Features.AsSpan(0, count * seen.FeatureCount));
        return features;
    }

    // Images go through the classes in turn: groups of every tenth round have all classes.
    private Estimate Spread(ImageDataset images)
    {
        double Of(ImageDataset set) => SampleQuality.WithinClassVariance(set) / _spread;
        int rounds = images.Count / images.ClassCount;
        if (rounds < 2 * Groups) return new Estimate(Of(images), double.NaN);
        int[] all = [.. Enumerable.Range(0, images.Count)];
        return Estimate.Jackknife(
            Of(images), [.. Enumerable.Range(0, Groups).Select(g => Of(images.Subset([.. all.Where(i => i / images.ClassCount % Groups != g)])))]);
    }
}
