using NativeDiffusion.Model.Metrics;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Metrics;

[TestFixture]
public sealed class FrechetDistanceTests
{
    [Test]
    public void Of_gaussians_with_independent_features_it_is_the_sum_over_features()
    {
        double[] means = [1, -2, 0, 5], otherMeans = [0, -2, 3, 4.5], variances = [1, 4, 0.25, 9], otherVariances = [4, 4, 0, 1];
        double expected = Enumerable.Range(0, 4).Sum(i => Square(means[i] - otherMeans[i]) + Square(Math.Sqrt(variances[i]) - Math.Sqrt(otherVariances[i])));
        Assert.That(FrechetDistance.Between(Diagonal(means, variances), Diagonal(otherMeans, otherVariances)), Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void Of_scaled_identities_it_is_that_of_the_deviations([Values(1, 5, 40, 300)] int d)
    {
        double[] zero = new double[d], one = [.. Enumerable.Repeat(1.0, d)], nine = [.. Enumerable.Repeat(9.0, d)];
        Assert.That(FrechetDistance.Between(Diagonal(zero, one), Diagonal(one, nine)), Is.EqualTo(4.0 * d + d).Within(1e-11 * d));
    }

    [TestCase(500, 20)]
    [TestCase(8, 20)]
    public void Of_a_set_to_itself_it_is_zero(int count, int features)
    {
        var statistics = FeatureMoments.Of(RandomFeatures.Set(count, features, 1)).Statistics();
        Assert.That(FrechetDistance.Between(statistics, statistics), Is.EqualTo(0).Within(1e-6));
    }

    [Test]
    public void Turning_both_sets_changes_nothing()
    {
        const int d = 12;
        float[] a = RandomFeatures.Values(90 * d, 2), b = RandomFeatures.Values(70 * d, 3, 1.4, 0.2);
        double[] axis = [.. RandomFeatures.Values(d, 4).Select(v => (double)v)];
        double square = axis.Sum(v => v * v);
        float[] Turned(float[] rows)
        {
            float[] result = new float[rows.Length];
            for (int r = 0; r < rows.Length; r += d)
            {
                double along = Enumerable.Range(0, d).Sum(i => rows[r + i] * axis[i]);
                for (int i = 0; i < d; i++) result[r + i] = (float)(rows[r + i] - 2 * along / square * axis[i]);
            }
            return result;
        }
        Assert.That(Between(Turned(a), Turned(b)), Is.EqualTo(Between(a, b)).Within(1e-5));

        static double Between(float[] a, float[] b) =>
            FrechetDistance.Between(FeatureMoments.Of(RandomFeatures.Set(d, a)).Statistics(), FeatureMoments.Of(RandomFeatures.Set(d, b)).Statistics());
    }

    [Test]
    public void A_common_offset_costs_no_digits()
    {
        float[] a = RandomFeatures.Values(2000, 5), b = RandomFeatures.Values(2000, 6, 1.5);
        // Halves of integers, so that the offset rounds nothing away.
        float[] Coarse(float[] x, float offset) => [.. x.Select(v => MathF.Round(v * 2) / 2 + offset)];
        double Between(float offset) => FrechetDistance.Between(Statistics(Coarse(a, offset), 10), Statistics(Coarse(b, offset), 10));
        Assert.That(Between(100_000), Is.EqualTo(Between(0)).Within(1e-9));
    }

    [Test]
    public void Batches_and_threads_change_no_bit()
    {
        const int d = 33;
        float[] rows = RandomFeatures.Values(2600 * d, 7);
        FeatureMoments once = new(RandomFeatures.Network, d, threads: 1), often = new(RandomFeatures.Network, d, threads: 3);
        once.Add(rows);
        for (int at = 0, step = 1; at < rows.Length; at += step * d, step = step % 700 + 13) often.Add(rows.AsSpan(at, Math.Min(step * d, rows.Length - at)));
        Assert.That(often.Statistics().Covariance, Is.EqualTo(once.Statistics().Covariance));
        Assert.That(often.Statistics().Mean, Is.EqualTo(once.Statistics().Mean));
        Assert.That(FrechetDistance.Between(often.Statistics(), Diagonal(new double[d], [.. Enumerable.Repeat(1.0, d)]), 3),
            Is.EqualTo(FrechetDistance.Between(once.Statistics(), Diagonal(new double[d], [.. Enumerable.Repeat(1.0, d)]), 1)));
    }

    [Test]
    public void The_error_is_that_of_leaving_out_each_group_and_as_large_as_the_spread_of_new_draws()
    {
        const int d = 4, draws = 12;
        var reference = new FrechetDistance(Diagonal(new double[d], [.. Enumerable.Repeat(1.0, d)]), 1);
        var estimates = Enumerable.Range(0, draws).Select(seed => reference.Of(FeatureMoments.Of(RandomFeatures.Set(400, d, 10 + seed, 1.3, 0.2), threads: 1))).ToArray();
        double byHand = RandomFeatures.Jackknife(RandomFeatures.Set(400, d, 10, 1.3, 0.2), 0, set => reference.Of(FeatureMoments.Of(set, threads: 1).Statistics()));
        Assert.That(estimates[0].StandardError, Is.EqualTo(byHand).Within(1e-9));
        double mean = estimates.Average(e => e.Value), spread = Math.Sqrt(estimates.Sum(e => Square(e.Value - mean)) / (draws - 1));
        Assert.That(estimates.Average(e => e.StandardError) / spread, Is.InRange(0.5, 2));
    }

    [Test]
    public void Halves_share_no_sample()
    {
        var moments = FeatureMoments.Of(RandomFeatures.Set(101, 3, 8));
        var (first, second) = moments.Halves();
        Assert.That(first.Count + second.Count, Is.EqualTo(101));
        double[] mean = [.. first.Mean.Zip(second.Mean, (a, b) => (a * first.Count!.Value + b * second.Count!.Value) / 101)];
        Assert.That(mean, Is.EqualTo(moments.Statistics().Mean).Within(1e-12));
    }

    [Test]
    public void Wrong_use_is_refused()
    {
        var moments = new FeatureMoments("a", 2);
        moments.Add([1, 2, 3, 4]);
        Assert.That(() => moments.Add([1, 2, 3]), Throws.ArgumentException.With.Message.Contains("whole number of rows of 2"));
        Assert.That(() => moments.Add([1, 2, 3, float.NaN]), Throws.ArgumentException.With.Message.Contains("Feature 1 of sample 3 is NaN"));
        Assert.That(() => new FeatureMoments("a", 2).Statistics(), Throws.InvalidOperationException.With.Message.Contains("at least two samples"));
        Assert.That(() => FrechetDistance.Between(moments.Statistics(), new GaussianStatistics("b", [0, 0], [1, 0, 0, 1])),
            Throws.ArgumentException.With.Message.Contains("'a'").And.Message.Contains("'b'"));
        Assert.That(() => new GaussianStatistics("a", [0, 0], [1, 0.5, 0, 1]), Throws.ArgumentException.With.Message.Contains("not symmetric"));
        Assert.That(() => new GaussianStatistics("a", [0, 0], [1, 0, 0, -1]), Throws.ArgumentException.With.Message.Contains("below 0"));
        Assert.That(() => new GaussianStatistics("a", [0, double.NaN], [1, 0, 0, 1]), Throws.ArgumentException.With.Message.Contains("NaN"));
        Assert.That(() => new GaussianStatistics("a", [0], [1, 0, 0, 1]), Throws.ArgumentException.With.Message.Contains("got 4"));
    }

    private static GaussianStatistics Statistics(float[] rows, int features) => FeatureMoments.Of(RandomFeatures.Set(features, rows)).Statistics();

    private static GaussianStatistics Diagonal(double[] mean, double[] variances)
    {
        int d = mean.Length;
        double[] covariance = new double[d * d];
        for (int i = 0; i < d; i++) covariance[i * d + i] = variances[i];
        return new GaussianStatistics(RandomFeatures.Network, mean, covariance);
    }

    private static double Square(double x) => x * x;
}
