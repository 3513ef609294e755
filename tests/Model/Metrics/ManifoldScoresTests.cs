using NativeDiffusion.Model.Metrics;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Metrics;

[TestFixture]
public sealed class ManifoldScoresTests
{
    [TestCase(50, 40, 5, false)]
    [TestCase(50, 50, 2, true)]
    [TestCase(30, 47, 3, true)]
    [TestCase(1100, 60, 9, false)]
    [TestCase(40, 2100, 7, false)]
    public void It_agrees_with_every_pair_looked_at(int count, int referenceCount, int features, bool integers)
    {
        FeatureSet samples = RandomFeatures.Set(count, features, 1, 0.9, 0.1, integers), reference = RandomFeatures.Set(referenceCount, features, 2, 1, 0, integers);
        var options = new ManifoldOptions { Threads = 2 };
        var scores = ManifoldScores.Compare(samples, reference, options);
        var expected = Naive(samples, reference, options);
        Assert.That(new[] { scores.Precision.Value, scores.Recall.Value, scores.Density.Value, scores.Coverage.Value }, Is.EqualTo(expected).Within(1e-12));
    }

    [Test]
    public void Errors_are_those_of_leaving_out_each_group()
    {
        FeatureSet samples = RandomFeatures.Set(103, 3, 3, 0.8), reference = RandomFeatures.Set(70, 3, 4);
        var options = new ManifoldOptions { Seed = 5, Threads = 2 };
        var scores = ManifoldScores.Compare(samples, reference, options);
        Estimate[] estimates = [scores.Precision, scores.Recall, scores.Density, scores.Coverage];
        for (int i = 0; i < 4; i++)
        {
            int which = i;
            Assert.That(estimates[i].StandardError, Is.EqualTo(RandomFeatures.Jackknife(samples, 5, set => Naive(set, reference, options)[which])).Within(1e-12), $"score {i}");
            Assert.That(estimates[i].StandardError, Is.Positive);
        }
    }

    [Test]
    public void Equal_sets_are_precise_and_complete()
    {
        var set = RandomFeatures.Set(80, 6, 6);
        var scores = ManifoldScores.Compare(set, RandomFeatures.Rows(set, _ => true));
        Assert.That((scores.Precision.Value, scores.Recall.Value, scores.Coverage.Value), Is.EqualTo((1.0, 1.0, 1.0)));
    }

    [Test]
    public void Sets_far_apart_have_nothing_in_common()
    {
        var scores = ManifoldScores.Compare(RandomFeatures.Set(60, 4, 7), RandomFeatures.Set(60, 4, 8, 1, 1000));
        Assert.That((scores.Precision.Value, scores.Recall.Value, scores.Density.Value, scores.Coverage.Value), Is.EqualTo((0.0, 0.0, 0.0, 0.0)));
    }

    [Test]
    public void A_generator_of_one_picture_is_precise_and_not_complete()
    {
        var reference = RandomFeatures.Set(100, 4, 9);
        var samples = RandomFeatures.Set(4, [.. Enumerable.Range(0, 60).SelectMany(_ => reference.Row(17).ToArray())]);
        var scores = ManifoldScores.Compare(samples, reference);
        Assert.That(scores.Precision.Value, Is.EqualTo(1));
        Assert.That(scores.Recall.Value, Is.EqualTo(0.01));
        Assert.That(samples.CountDuplicates(), Is.EqualTo(59));
    }

    [Test]
    public void A_common_offset_hides_no_neighbour()
    {
        float[] a = [.. RandomFeatures.Values(500, 10).Select(v => MathF.Round(4 * v) / 4)], b = [.. RandomFeatures.Values(500, 11).Select(v => MathF.Round(4 * v) / 4)];
        ManifoldScores At(float offset) => ManifoldScores.Compare(RandomFeatures.Set(5, [.. a.Select(v => v + offset)]), RandomFeatures.Set(5, [.. b.Select(v => v + offset)]));
        Assert.That(At(1_000_000), Is.EqualTo(At(0)));
    }

    [Test]
    public void Threads_change_nothing()
    {
        FeatureSet samples = RandomFeatures.Set(1300, 5, 12), reference = RandomFeatures.Set(1100, 5, 13);
        ManifoldScores Of(int threads) => ManifoldScores.Compare(samples, reference, new ManifoldOptions { Threads = threads });
        Assert.That(Of(3), Is.EqualTo(Of(1)));
    }

    [Test]
    public void Nearest_rows_of_another_set_are_in_order_and_ties_go_to_the_earlier()
    {
        var others = RandomFeatures.Set(1, [4, 1, 2, 1, 7]);
        var nearest = NearestRows.Find(RandomFeatures.Set(1, [1.25f, 100]), others, 3, 1);
        Assert.That(nearest.Of(0).Indices.ToArray(), Is.EqualTo((int[])[1, 3, 2]));
        Assert.That(nearest.Of(0).SquaredDistances.ToArray(), Is.EqualTo((double[])[0.0625, 0.0625, 0.5625]));
        Assert.That(nearest.Of(1).Indices.ToArray(), Is.EqualTo((int[])[4, 0, 2]));
    }

    [Test]
    public void Wrong_use_is_refused()
    {
        FeatureSet three = RandomFeatures.Set(3, 2, 1), six = RandomFeatures.Set(6, 2, 1);
        Assert.That(() => ManifoldScores.Compare(three, six), Throws.ArgumentException.With.Message.Contains("got 3 and 6"));
        Assert.That(() => ManifoldScores.Compare(six, six, new ManifoldOptions { Neighbours = 0 }), Throws.ArgumentException.With.Message.Contains("got 0 and 5"));
        Assert.That(() => ManifoldScores.Compare(six, new FeatureSet("other", 2)), Throws.ArgumentException.With.Message.Contains("'other'"));
    }

    private static double[] Naive(FeatureSet samples, FeatureSet reference, ManifoldOptions options)
    {
        double Distance(FeatureSet a, int i, FeatureSet b, int j)
        {
            double sum = 0;
            for (int f = 0; f < a.Features; f++) sum += ((double)a.Row(i)[f] - b.Row(j)[f]) * ((double)a.Row(i)[f] - b.Row(j)[f]);
            return sum;
        }
        double[] Radii(FeatureSet set, int k) => [.. Enumerable.Range(0, set.Count).Select(i =>
            Enumerable.Range(0, set.Count).Select(j => Distance(set, i, set, j)).Order().ElementAt(k))];
        double[] reach = Radii(reference, options.Neighbours), density = Radii(reference, options.DensityNeighbours), ofSamples = Radii(samples, options.Neighbours);
        double[][] d = [.. Enumerable.Range(0, reference.Count).Select(i => (double[])[.. Enumerable.Range(0, samples.Count).Select(j => Distance(reference, i, samples, j))])];
        var real = Enumerable.Range(0, reference.Count);
        var drawn = Enumerable.Range(0, samples.Count);
        return
        [
            drawn.Average(j => real.Any(i => d[i][j] <= reach[i]) ? 1.0 : 0), real.Average(i => drawn.Any(j => d[i][j] <= ofSamples[j]) ? 1.0 : 0),
            drawn.Average(j => (double)real.Count(i => d[i][j] < density[i])) / options.DensityNeighbours, real.Average(i => drawn.Any(j => d[i][j] < density[i]) ? 1.0 : 0),
        ];
    }
}
