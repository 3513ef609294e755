namespace NativeDiffusion.Model.Metrics;

/// <summary>Mean and covariance of the features of a set of pictures: all that the Fréchet distance looks at.</summary>
public sealed class GaussianStatistics
{
    /// <summary>Statistics over the given arrays, which are not copied.</summary>
    /// <param name="network">What the features come from; see <see cref="FeatureSet.Network"/>.</param>
    /// <param name="mean">[D].</param>
    /// <param name="covariance">[D, D], with divisor N - 1, symmetric.</param>
    /// <param name="count">N, the pictures behind it; null if nobody says.</param>
    /// <exception cref="ArgumentException">Lengths that do not fit, values that are not finite, a negative variance, or a covariance that
    /// is not symmetric.</exception>
    public GaussianStatistics(string network, double[] mean, double[] covariance, long? count = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(network);
        ArgumentNullException.ThrowIfNull(mean);
        ArgumentNullException.ThrowIfNull(covariance);
        int d = mean.Length;
        if (d == 0 || covariance.LongLength != (long)d * d)
            throw new ArgumentException($"A mean of {d} features goes with a covariance of {(long)d * d} values; got {covariance.LongLength}.");
        for (int i = 0; i < d; i++)
        {
            if (!double.IsFinite(mean[i])) throw new ArgumentException($"The mean of feature {i} is {mean[i]}.");
            if (covariance[i * d + i] < 0) throw new ArgumentException($"The variance of feature {i} is {covariance[i * d + i]}, below 0.");
            for (int j = 0; j <= i; j++)
            {
                double a = covariance[i * d + j], b = covariance[j * d + i];
                if (!double.IsFinite(a) || !double.IsFinite(b)) throw new ArgumentException($"The covariance of features {i} and {j} is {(double.IsFinite(a) ? b : a)}.");
                if (Math.Abs(a - b) > 1e-3 * Math.Sqrt(covariance[i * d + i] * covariance[j * d + j]) + 1e-12)
                    throw new ArgumentException($"The covariance is not symmetric: features {i} and {j} have {a} and {b}.");
            }
        }
        (Network, Mean, Covariance, Count) = (network, mean, covariance, count);
    }

    /// <summary>What the features come from.</summary>
    public string Network { get; }

    /// <summary>Length of a row of features, D.</summary>
    public int Features => Mean.Length;

    /// <summary>[D].</summary>
    public double[] Mean { get; }

    /// <summary>[D, D].</summary>
    public double[] Covariance { get; }

    /// <summary>Pictures behind it, where that is known.</summary>
    public long? Count { get; }

    /// <summary>Sum of the variances.</summary>
    internal double Trace
    {
        get
        {
            double sum = 0;
            for (int i = 0; i < Features; i++) sum += Covariance[i * Features + i];
            return sum;
        }
    }
}
