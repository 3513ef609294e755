using NativeDiffusion.Model.Data;

namespace NativeDiffusion.Model.Metrics.Features;

/// <summary>What a network sees in a set of pictures: all that the metrics need.</summary>
public sealed class SampleFeatures
{
    private readonly List<int>? _labels;
    private readonly float[] _row;

    internal SampleFeatures(FeatureNetwork network, ImageSource images, ulong seed, int threads)
    {
        Source = images;
        Features = new FeatureSet(network.Name, network.Features);
        Moments = new FeatureMoments(network.Name, network.Features, seed, threads);
        if (network.SpatialFeatures > 0) SpatialMoments = new FeatureMoments(FeatureNetwork.SpatialNameOf(network.Name), network.SpatialFeatures, seed, threads);
        _row = new float[network.Classes];
        if (network.Classes > 0) Probabilities = new FeatureSet(network.Name + " probabilities", network.Classes);
        if (images.ClassNames is not null) _labels = [];
    }

    /// <summary>The pictures.</summary>
    public ImageSource Source { get; }

    /// <summary>The pooled features.</summary>
    public FeatureSet Features { get; }

    /// <summary>Mean and covariance of the pooled features.</summary>
    public FeatureMoments Moments { get; }

    /// <summary>Those of the spatial features, where the network has some.</summary>
    public FeatureMoments? SpatialMoments { get; }

    /// <summary>Probabilities of the network's classes; null where it has none.</summary>
    public FeatureSet? Probabilities { get; }

    /// <summary>Labels by the source's <see cref="ImageSource.ClassNames"/>; null where it has none.</summary>
    public IReadOnlyList<int>? Labels => _labels;

    internal void Add(ImageDataset batch, ReadOnlySpan<float> features, ReadOnlySpan<float> spatial, ReadOnlySpan<float> logits)
    {
        Features.Add(features);
        Moments.Add(features);
        SpatialMoments?.Add(spatial);
        for (; logits.Length > 0; logits = logits[_row.Length..])
        {
            Softmax(logits[.._row.Length], _row);
            Probabilities!.Add(_row);
        }
        _labels?.AddRange(batch.Labels.Span);
    }

    private static void Softmax(ReadOnlySpan<float> logits, Span<float> probabilities)
    {
        double most = double.NegativeInfinity, sum = 0;
        foreach (float logit in logits) most = Math.Max(most, logit);
        foreach (float logit in logits) sum += Math.Exp(logit - most);
        for (int k = 0; k < logits.Length; k++) probabilities[k] = (float)(Math.Exp(logits[k] - most) / sum);
    }
}
