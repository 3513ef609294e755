using NativeDiffusion.Model.Training;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Training;

[TestFixture]
public sealed class LossSecondMomentSamplerTests
{
    [Test]
    public void Draws_are_uniform_and_unweighted_until_every_timestep_has_ten_losses()
    {
        var sampler = new LossSecondMomentSampler(4);
        for (int i = 0; i < 10; i++) sampler.Note([0, 1, 2], [1, 2, 3]);
        for (int i = 0; i < 9; i++) sampler.Note([3], [100]);
        Assert.That(sampler.IsWarm, Is.False);
        Assert.That(Enumerable.Range(0, 4).Select(sampler.Probability), Has.All.EqualTo(0.25).Within(1e-15));
        Assert.That(sampler.At(0.9), Is.EqualTo((3, 1.0)));
        sampler.Note([3], [100]);
        Assert.That(sampler.IsWarm);
        Assert.That(sampler.At(0.5).Timestep, Is.EqualTo(3));
    }

    [Test]
    public void Probabilities_follow_the_second_moments_of_the_last_ten_losses()
    {
        const int T = 5;
        var sampler = new LossSecondMomentSampler(T);
        var random = new Random(3);
        List<double>[] seen = [.. Enumerable.Range(0, T).Select(_ => new List<double>())];
        for (int i = 0; i < 300; i++)
        {
            int t = random.Next(T);
            double loss = random.NextDouble() * (t + 1);
            sampler.Note([t], [loss]);
            seen[t].Add(loss);
        }
        double[] roots = [.. seen.Select(s => Math.Sqrt(s.TakeLast(10).Average(l => l * l)))];
        double expectedSum = 0;
        for (int t = 0; t < T; t++)
        {
            double p = roots[t] / roots.Sum() * 0.999 + 0.001 / T;
            Assert.That(sampler.Probability(t), Is.EqualTo(p).Within(1e-12));
            var (drawn, weight) = sampler.At(expectedSum + 0.5 * p);
            Assert.That(drawn, Is.EqualTo(t));
            Assert.That(weight, Is.EqualTo(1 / (T * p)).Within(1e-9));
            expectedSum += p;
        }
        // With these weights, the expected loss is that of uniform draws, whatever the losses.
        double[] losses = [3, 1, 4, 1, 5];
        Assert.That(Enumerable.Range(0, T).Sum(t => sampler.Probability(t) * losses[t] / (T * sampler.Probability(t))), Is.EqualTo(losses.Average()).Within(1e-12));
    }

    [Test]
    public void What_it_has_seen_survives_saving()
    {
        var sampler = new LossSecondMomentSampler(3);
        for (int i = 0; i < 35; i++) sampler.Note([i % 3], [i * 0.1]);
        var restored = new LossSecondMomentSampler(3);
        restored.Restore(sampler.Save());
        foreach (var s in new[] { sampler, restored }) s.Note([1, 2], [7, 8]);
        Assert.That(Enumerable.Range(0, 3).Select(restored.Probability), Is.EqualTo(Enumerable.Range(0, 3).Select(sampler.Probability)));
    }

    [Test]
    public void Damaged_losses_are_refused([Values(double.NaN, -1, double.PositiveInfinity)] double loss)
    {
        double[] saved = new LossSecondMomentSampler(2).Save();
        saved[3] = loss;
        Assert.That(() => new LossSecondMomentSampler(2).Restore(saved), Throws.ArgumentException);
        Assert.That(() => new LossSecondMomentSampler(3).Restore(saved), Throws.ArgumentException);
        Assert.That(() => new LossSecondMomentSampler(2).At(1), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void Losses_of_zero_leave_draws_uniform()
    {
        var sampler = new LossSecondMomentSampler(2);
        for (int i = 0; i < 20; i++) sampler.Note([i % 2], [0]);
        Assert.That(sampler.Probability(0), Is.EqualTo(0.5).Within(1e-12));
    }
}
