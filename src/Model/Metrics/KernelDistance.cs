using NativeDiffusion.Kernels;

namespace NativeDiffusion.Model.Metrics;

/// <summary>What <see cref="KernelDistance"/> draws.</summary>
public sealed record KernelDistanceOptions
{
    /// <summary>Subsets; at least 1.</summary>
    public int Subsets { get; init; } = 100;

    /// <summary>Most samples of a subset, drawn without replacement; at least 2.</summary>
    public int SubsetSize { get; init; } = 1000;

    /// <summary>Of the subsets.</summary>
    public ulong Seed { get; init; }

    /// <summary>Threads; 0 takes one per processor. Results do not depend on it.</summary>
    public int Threads { get; init; }
}

/// <summary>
/// KID, the squared maximum mean discrepancy of features under the kernel (x y / D + 1)^3, by its unbiased estimator: unlike FID it does
/// not depend on the number of samples, and is a little negative for as good as equal sets (Binkowski et al. 2018, "Demystifying MMD GANs",
/// arXiv 1801.01401). Often shown times 1,000.
/// </summary>
public static unsafe class KernelDistance
{
    private const int MostBlocks = 10;

    /// <summary>
    /// The mean over subsets of both sets; its standard error is that of the mean over blocks that have no sample in common.
    /// </summary>
    /// <param name="samples">One set.</param>
    /// <param name="reference">The other.</param>
    /// <param name="options">What is drawn.</param>
    /// <param name="progress">Told the share that is done.</param>
    /// <param name="cancellation">Checked between subsets.</param>
    /// <exception cref="ArgumentException">Different networks, an option out of range, or fewer than two samples.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Estimate Of(
        FeatureSet samples, FeatureSet reference, KernelDistanceOptions? options = null, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(samples);
        ArgumentNullException.ThrowIfNull(reference);
        options ??= new KernelDistanceOptions();
        FeatureSet.RequireSame(samples.Network, samples.Features, reference.Network, reference.Features);
        int least = Math.Min(samples.Count, reference.Count), size = Math.Min(options.SubsetSize, least);
        if (options.Subsets < 1 || options.SubsetSize < 2) throw new ArgumentException($"KID takes at least one subset of at least two samples; got {options.Subsets} of {options.SubsetSize}.");
        if (least < 2) throw new ArgumentException($"KID compares at least two samples; got {samples.Count} and {reference.Count}.");
        int threads = options.Threads == 0 ? Environment.ProcessorCount : options.Threads;
        int blocks = Math.Min(MostBlocks, least / 2), blockSize = Math.Min(size, least / blocks), done = 0;

        double sum = 0;
        for (int i = 0; i < options.Subsets; i++)
            sum += Next(Draw(samples.Count, 2 * (uint)i + 2).AsSpan(0, size), Draw(reference.Count, 2 * (uint)i + 3).AsSpan(0, size));
        int[] ofSamples = Draw(samples.Count, 0), ofReference = Draw(reference.Count, 1);
        double[] apart = [.. Enumerable.Range(0, blocks).Select(i => Next(ofSamples.AsSpan(i * blockSize, blockSize), ofReference.AsSpan(i * blockSize, blockSize)))];
        return new Estimate(sum / options.Subsets, Estimate.OfMean(apart).StandardError);

        int[] Draw(int count, uint step)
        {
            int[] order = new int[count];
            SampleGroups.Permute(order, options.Seed, 0, step);
            return order;
        }

        double Next(ReadOnlySpan<int> x, ReadOnlySpan<int> y)
        {
            cancellation.ThrowIfCancellationRequested();
            double value = OfSubset(samples, x, reference, y, threads);
            progress?.Report((double)++done / (options.Subsets + blocks));
            return value;
        }
    }

    /// <summary>The estimate from equally many samples of both sets.</summary>
    internal static double OfSubset(FeatureSet a, ReadOnlySpan<int> x, FeatureSet b, ReadOnlySpan<int> y, int threads)
    {
        int m = x.Length;
        double[] first = ByFeature(a, x, threads), second = ByFeature(b, y, threads);
        return (OffDiagonal(first, first, m, threads) + OffDiagonal(second, second, m, threads)) / ((double)m * (m - 1)) - 2 * All(first, second, m, threads) / ((double)m * m);
    }

    private static double OffDiagonal(double[] x, double[] y, int m, int threads) => 2 * Sum(x, y, m, lower: true, threads);

    private static double All(double[] x, double[] y, int m, int threads) => Sum(x, y, m, lower: false, threads);

    /// <summary>Sum of the kernel over all pairs, or over those below the diagonal.</summary>
    private static double Sum(double[] x, double[] y, int m, bool lower, int threads)
    {
        int features = x.Length / m;
        double[] products = new double[m * m], sums = new double[m];
        fixed (double* a = x, b = y, c = products)
            DoubleProduct.AddTransposed(a, m, b, m, features, c, m, m, m, 1, lower, threads);
        Parallel.For(0, m, new ParallelOptions { MaxDegreeOfParallelism = threads }, i =>
        {
            foreach (double product in products.AsSpan(i * m, lower ? i : m))
            {
                double k = product / features + 1;
                sums[i] += k * k * k;
            }
        });
        return sums.Sum();
    }

    /// <summary>[D, m]: the rows of a set as columns.</summary>
    private static double[] ByFeature(FeatureSet set, ReadOnlySpan<int> rows, int threads)
    {
        const int Features = 16;
        int[] indices = rows.ToArray();
        double[] result = new double[set.Features * indices.Length];
        Parallel.For(0, MatrixProduct.Blocks(set.Features, Features), new ParallelOptions { MaxDegreeOfParallelism = threads }, block =>
        {
            int end = Math.Min(set.Features, (block + 1) * Features);
            for (int r = 0; r < indices.Length; r++)
            {
                var row = set.Row(indices[r]);
                for (int f = block * Features; f < end; f++) result[f * indices.Length + r] = row[f];
            }
        });
        return result;
    }
}
