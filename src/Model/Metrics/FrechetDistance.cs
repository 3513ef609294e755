using System.Buffers;
using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Metrics;

/// <summary>
/// The Fréchet distance from a reference, |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): FID with the features of the Inception network
/// (Heusel et al. 2017, "GANs trained by a two time-scale update rule converge to a local Nash equilibrium", arXiv 1706.08500), sFID with
/// its spatial ones (Nash et al. 2021, "Generating images with sparse representations", arXiv 2103.03841). It falls with the number of
/// samples, so numbers compare at equal numbers only.
/// </summary>
/// <remarks>
/// The trace of the root is the sum of the roots of the eigenvalues of T^T C2 T, with C1 = T T^T: those of C1 C2 that are not 0. They are
/// never negative but for rounding, however singular the covariances are.
/// </remarks>
public sealed unsafe class FrechetDistance
{
    private readonly double[] _factor;
    private readonly int _rank, _threads;

    /// <summary>Factors the covariance of a reference once, for any number of comparisons.</summary>
    /// <param name="reference">The reference.</param>
    /// <param name="threads">Threads; 0 takes one per processor. Results do not depend on it.</param>
    public FrechetDistance(GaussianStatistics reference, int threads = 0)
    {
        ArgumentNullException.ThrowIfNull(reference);
        Reference = reference;
        _threads = threads == 0 ? Environment.ProcessorCount : threads;
        (_factor, _rank) = PivotedCholesky.Of(reference.Covariance, reference.Features, _threads);
    }

    /// <summary>The reference.</summary>
    public GaussianStatistics Reference { get; }

    /// <summary>The distance of two sets.</summary>
    /// <param name="a">One.</param>
    /// <param name="b">The other.</param>
    /// <param name="threads">Threads; 0 takes one per processor.</param>
    /// <exception cref="ArgumentException">They come from different networks.</exception>
    public static double Between(GaussianStatistics a, GaussianStatistics b, int threads = 0) => new FrechetDistance(a, threads).Of(b);

    /// <summary>The distance of a set from the reference, at least 0.</summary>
    /// <param name="samples">The set.</param>
    /// <exception cref="ArgumentException">It comes from another network.</exception>
    public double Of(GaussianStatistics samples)
    {
        ArgumentNullException.ThrowIfNull(samples);
        FeatureSet.RequireSame(samples.Network, samples.Features, Reference.Network, Reference.Features);
        double distance = samples.Trace + Reference.Trace - 2 * TraceOfRoot(samples.Covariance);
        for (int i = 0; i < Reference.Features; i++) distance += (samples.Mean[i] - Reference.Mean[i]) * (samples.Mean[i] - Reference.Mean[i]);
        // Two equal sets may be 1e-12 on either side.
        return Math.Max(0, distance);
    }

    /// <summary>
    /// The distance of a set from the reference, with the error that its being a sample brings (the reference is taken for exact).
    /// </summary>
    /// <param name="samples">The moments of the set.</param>
    /// <param name="progress">Told how many of the eleven distances are done.</param>
    /// <param name="cancellation">Checked between them.</param>
    /// <exception cref="ArgumentException">It comes from another network.</exception>
    /// <exception cref="InvalidOperationException">Fewer than two samples.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Estimate Of(FeatureMoments samples, IProgress<int>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(samples);
        double whole = Of(samples.Statistics());
        progress?.Report(1);
        var without = new List<double>();
        for (int g = 0; g < samples.GroupCount; g++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (samples.Without(g) is { } others) without.Add(Of(others));
            progress?.Report(g + 2);
        }
        return Estimate.Jackknife(whole, without);
    }

    private double TraceOfRoot(double[] covariance)
    {
        int d = Reference.Features, r = _rank;
        // Rented, for eleven distances in a row would leave the collector a gigabyte.
        double[] half = ArrayPool<double>.Shared.Rent(d * r), product = ArrayPool<double>.Shared.Rent(r * r);
        try
        {
            Array.Clear(half, 0, d * r);
            Array.Clear(product, 0, r * r);
            fixed (double* t = _factor, c = covariance, h = half, p = product)
            {
                DoubleProduct.AddTransposed(c, d, t, r, d, h, r, d, r, 1, lower: false, _threads);
                DoubleProduct.AddTransposed(t, r, h, r, d, p, r, r, r, 1, lower: true, _threads);
            }
            return SymmetricEigenvalues.Of(product, r, _threads).Sum(v => Math.Sqrt(Math.Max(0, v)));
        }
        finally
        {
            ArrayPool<double>.Shared.Return(half);
            ArrayPool<double>.Shared.Return(product);
        }
    }
}
