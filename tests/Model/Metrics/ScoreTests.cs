using NativeDiffusion.Model.Metrics;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Metrics;

/// <summary>Inception Score, calibration, kernel distance, estimates.</summary>
[TestFixture]
public sealed class ScoreTests
{
    [Test]
    public void Equal_probabilities_score_one_and_sure_ones_of_all_classes_as_many([Values(2, 7)] int classes)
    {
        var unsure = new InceptionScore(classes);
        for (int i = 0; i < 30; i++) unsure.Add([.. Enumerable.Repeat(1f / classes, classes)]);
        Assert.That(unsure.Score().Value, Is.EqualTo(1).Within(1e-6));
        var sure = new InceptionScore(classes, classes * 10);
        for (int i = 0; i < classes * 30; i++) sure.Add([.. Enumerable.Range(0, classes).Select(k => k == i % classes ? 1f : 0)]);
        Assert.That(sure.Score().Value, Is.EqualTo(classes).Within(1e-12));
    }

    [Test]
    public void The_inception_score_leaves_out_groups_for_its_error()
    {
        float[] rows = Probabilities(200, 5, 1);
        var score = new InceptionScore(5, seed: 3);
        score.Add(rows.AsSpan(0, 35));
        score.Add(rows.AsSpan(35));
        double error = RandomFeatures.Jackknife(RandomFeatures.Set(5, rows), 3, set =>
        {
            var one = new InceptionScore(5);
            for (int i = 0; i < set.Count; i++) one.Add(set.Row(i));
            return one.Score().Value;
        });
        Assert.That(score.Score().StandardError, Is.EqualTo(error).Within(1e-9));
    }

    [Test]
    public void What_is_no_probability_is_refused()
    {
        var score = new InceptionScore(2);
        Assert.That(() => score.Add([0.5f, 0.4f]), Throws.ArgumentException.With.Message.Contains("sum to 0.9"));
        Assert.That(() => score.Add([float.NaN, 0.4f]), Throws.ArgumentException.With.Message.Contains("NaN"));
        Assert.That(() => score.Add([1f]), Throws.ArgumentException.With.Message.Contains("whole number"));
        Assert.That(() => new InceptionScore(2).Score(), Throws.InvalidOperationException);
    }

    [Test]
    public void One_confidence_and_one_accuracy_differ_by_the_calibration_error()
    {
        var calibration = new Calibration(2);
        for (int i = 0; i < 100; i++) calibration.AddProbabilities([0.83f, 0.17f], [i < 65 ? 0 : 1]);
        Assert.That(calibration.Error.Value, Is.EqualTo(0.18).Within(1e-6));
        Assert.That(calibration.Accuracy.Value, Is.EqualTo(0.65));
        Assert.That(calibration.Accuracy.StandardError, Is.EqualTo(Math.Sqrt(0.65 * 0.35 / 100)).Within(1e-12));
        var bin = calibration.Bins.Single(b => b.Count > 0);
        Assert.That((bin.Lower, bin.Upper), Is.EqualTo((12 / 15.0, 13 / 15.0)).Using<(double, double)>((a, b) => Math.Abs(a.Item1 - b.Item1) + Math.Abs(a.Item2 - b.Item2) < 1e-6));
    }

    [Test]
    public void A_calibrated_classifier_has_an_error_of_sampling_only()
    {
        const int n = 4000, bins = 15;
        var random = new Random(1);
        var calibration = new Calibration(2, bins);
        for (int i = 0; i < n; i++)
        {
            float p = (float)(0.5 + 0.5 * random.NextDouble());
            calibration.AddProbabilities([p, 1 - p], [random.NextDouble() < p ? 0 : 1]);
        }
        Assert.That(calibration.Error.Value, Is.LessThan(2 * Math.Sqrt((double)bins / n)));
        Assert.That(calibration.Error.StandardError, Is.InRange(1e-4, 0.02));
    }

    [Test]
    public void Order_changes_no_calibration_error()
    {
        float[] logits = RandomFeatures.Values(300, 2);
        int[] labels = [.. Enumerable.Range(0, 100).Select(i => i % 3)];
        Calibration forward = new(3), backward = new(3);
        forward.AddLogits(logits, labels);
        for (int i = 99; i >= 0; i--) backward.AddLogits(logits.AsSpan(3 * i, 3), labels.AsSpan(i, 1));
        Assert.That(backward.Error.Value, Is.EqualTo(forward.Error.Value).Within(1e-12));
        Assert.That(() => forward.AddLogits(logits, labels.AsSpan(1)), Throws.ArgumentException);
        Assert.That(() => forward.AddLogits([1, 2, 3], [3]), Throws.ArgumentException.With.Message.Contains("no class 3"));
        Assert.That(() => forward.AddLogits([1, float.NaN, 3], [0]), Throws.ArgumentException.With.Message.Contains("NaN"));
    }

    [Test]
    public void The_kernel_distance_is_that_of_all_pairs_and_negative_for_equal_sets()
    {
        FeatureSet a = RandomFeatures.Set(20, 5, 3), b = RandomFeatures.Set(20, 5, 4, 1.2, 0.3);
        int[] all = [.. Enumerable.Range(0, 20)];
        double Kernel(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
        {
            double sum = 0;
            for (int i = 0; i < x.Length; i++) sum += (double)x[i] * y[i];
            return Math.Pow(sum / x.Length + 1, 3);
        }
        double within = 0, across = 0;
        foreach (int i in all)
            foreach (int j in all)
            {
                if (i != j) within += Kernel(a.Row(i), a.Row(j)) + Kernel(b.Row(i), b.Row(j));
                across += Kernel(a.Row(i), b.Row(j));
            }
        Assert.That(KernelDistance.OfSubset(a, all, b, all, 1), Is.EqualTo(within / 380 - 2 * across / 400).Within(1e-12));
        Assert.That(KernelDistance.Of(a, a).Value, Is.Negative);
    }

    [Test]
    public void The_kernel_distance_has_the_error_of_new_draws_and_depends_on_the_seed_alone()
    {
        const int draws = 12;
        var options = new KernelDistanceOptions { Subsets = 10, SubsetSize = 100, Seed = 1, Threads = 1 };
        var reference = RandomFeatures.Set(2000, 4, 5);
        var estimates = Enumerable.Range(0, draws).Select(i => KernelDistance.Of(RandomFeatures.Set(300, 4, 20 + i, 1.2, 0.3), reference, options)).ToArray();
        double mean = estimates.Average(e => e.Value), spread = Math.Sqrt(estimates.Sum(e => (e.Value - mean) * (e.Value - mean)) / (draws - 1));
        Assert.That(estimates.Average(e => e.StandardError) / spread, Is.InRange(0.5, 2));
        var samples = RandomFeatures.Set(300, 4, 20, 1.2, 0.3);
        Assert.That(KernelDistance.Of(samples, reference, options with { Threads = 3 }), Is.EqualTo(estimates[0]));
        Assert.That(KernelDistance.Of(samples, reference, options with { Seed = 2 }).Value, Is.Not.EqualTo(estimates[0].Value));
        Assert.That(() => KernelDistance.Of(samples, RandomFeatures.Set(1, 4, 1)), Throws.ArgumentException.With.Message.Contains("got 300 and 1"));
    }

    [Test]
    public void Groups_share_out_every_run_evenly()
    {
        var groups = new SampleGroups(10, 7);
        int[] of = [.. Enumerable.Range(0, 200).Select(i => groups.Of(i))];
        for (int run = 0; run < 20; run++) Assert.That(of[(10 * run)..(10 * run + 10)].Order(), Is.EqualTo(Enumerable.Range(0, 10)));
        Assert.That(of[..10], Is.Not.EqualTo(of[10..20]));
        Assert.That(groups.Of(3), Is.EqualTo(of[3]), "after going back");
    }

    [Test]
    public void Estimates_show_two_digits_of_their_error()
    {
        Assert.That(new Estimate(12.3456, 0.0321).ToString(), Is.EqualTo("12.346 ± 0.032"));
        Assert.That(new Estimate(1, 0).ToString(), Is.EqualTo("1.0000 ± 0.0000"));
        Assert.That(new Estimate(0.25, double.NaN).ToString(), Is.EqualTo("0.25"));
    }

    private static float[] Probabilities(int count, int classes, int seed)
    {
        float[] rows = [.. RandomFeatures.Values(count * classes, seed).Select(MathF.Exp)];
        for (int i = 0; i < count; i++)
        {
            var row = rows.AsSpan(i * classes, classes);
            float sum = 0;
            foreach (float v in row) sum += v;
            for (int k = 0; k < classes; k++) row[k] /= sum;
        }
        return rows;
    }
}
