using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// Says which generated images are near-copies of a training image, judged by how near real images that the training never saw come to it.
/// A near-copy is nearer to its nearest training image than half of what any unseen real image of its class is, or at most half as far from it as
/// from its second nearest. The second test finds copies where a class is dense (a straight stroke resembles many of its kind), in the
/// manner of Yoon et al. (2023, "Diffusion probabilistic models generalize when they fail to memorize"), whose limit is a third.
/// </summary>
public sealed class NearCopyRule
{
    private const double DistanceShare = 0.5, RatioLimit = 0.5;

    private readonly double[] _limits;

    /// <summary>Takes the limits of each class from unseen real images.</summary>
    /// <param name="unseen">Real images that are not in the training set, of the classes that will be judged.</param>
    /// <param name="nearest">Their neighbours in the training set, from <see cref="SampleQuality.NearestNeighbours"/>.</param>
    /// <exception cref="ArgumentException">There are not as many neighbours as images.</exception>
    public NearCopyRule(ImageDataset unseen, ReadOnlySpan<NearestImage> nearest)
    {
        if (nearest.Length != unseen.Count) throw new ArgumentException($"There are {unseen.Count} unseen images but {nearest.Length} neighbours.");
        _limits = new double[unseen.ClassCount];
        Array.Fill(_limits, double.PositiveInfinity);
        for (int i = 0; i < unseen.Count; i++)
        {
            int label = unseen.Labels.Span[i];
            _limits[label] = Math.Min(_limits[label], DistanceShare * nearest[i].Distance);
        }
        for (int label = 0; label < _limits.Length; label++)
            if (double.IsInfinity(_limits[label]))
                _limits[label] = 0;
    }

    /// <summary>An image of this class that is nearer to a training image is a near-copy; 0 for a class without unseen images.</summary>
    public double DistanceLimit(int label) => _limits[label];

    /// <summary>Whether an image with this label and these neighbours is a near-copy.</summary>
    public bool IsNearCopy(int label, NearestImage nearest) => nearest.Distance <= _limits[label] || nearest.Ratio <= RatioLimit;
}
