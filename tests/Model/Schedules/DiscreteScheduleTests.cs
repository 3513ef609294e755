using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Schedules;

internal sealed class DiscreteScheduleTests
{
    private static readonly DiscreteSchedule[] All = [DiscreteSchedule.Linear(1000), DiscreteSchedule.Linear(100), DiscreteSchedule.Cosine(1000), DiscreteSchedule.Cosine(7), DiscreteSchedule.Sigmoid(400)];

    [Test]
    public void LinearMatchesKnownNumbers()
    {
        DiscreteSchedule linear = DiscreteSchedule.Linear(1000);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(linear.Betas[0], Is.EqualTo(1e-4).Within(1e-18));
            Assert.That(linear.Betas[999], Is.EqualTo(0.02).Within(1e-18));
            Assert.That(linear.AlphaBar[0], Is.EqualTo(0.9999).Within(1e-15));
            Assert.That(linear.AlphaBar[999], Is.EqualTo(4.0358297e-5).Within(1e-11));
            Assert.That(DiscreteSchedule.Linear(100).Betas[^1], Is.EqualTo(0.2).Within(1e-15));
            Assert.That(() => DiscreteSchedule.Linear(20), Throws.InstanceOf<ArgumentOutOfRangeException>());
        }
    }

    [Test]
    public void CosineAndSigmoidFollowTheirClosedForms()
    {
        DiscreteSchedule cosine = DiscreteSchedule.Cosine(1000), sigmoid = DiscreteSchedule.Sigmoid(1000);
        double F(double u) => Math.Pow(Math.Cos((u + 0.008) / 1.008 * Math.PI / 2), 2);
        double S(double x) => 1 / (1 + Math.Exp(-x));
        for (int t = 0; t < 990; t++)
        {
            double u = (t + 1) / 1000.0;
            Assert.That(cosine.AlphaBar[t], Is.EqualTo(F(u) / F(0)).Within(1e-12), $"cosine t={t}");
            Assert.That(sigmoid.AlphaBar[t], Is.EqualTo((S(3) - S(6 * u - 3)) / (S(3) - S(-3))).Within(1e-12), $"sigmoid t={t}");
        }

        Assert.That(cosine.Betas[999], Is.EqualTo(0.999), "the cap");
    }

    [TestCaseSource(nameof(All))]
    public void PosteriorIdentitiesHold(DiscreteSchedule s)
    {
        for (int t = 0; t < s.Timesteps; t++)
        {
            double previous = t == 0 ? 1 : s.AlphaBar[t - 1], noise = 1 - s.AlphaBar[t];
            Assert.That(s.CoefX0[t] + s.CoefXt[t] * s.Alpha(t), Is.EqualTo(Math.Sqrt(previous)).Within(1e-12));
            Assert.That(s.CoefXt[t] * s.CoefXt[t] * noise + s.PosteriorVariance[t], Is.EqualTo(1 - previous).Within(1e-12));
            Assert.That(s.Alpha(t) * s.Alpha(t) + s.Sigma(t) * s.Sigma(t), Is.EqualTo(1).Within(1e-15));
            if (t > 0)
            {
                Assert.That(s.LogSnr[t], Is.LessThan(s.LogSnr[t - 1]));
                Assert.That(s.PosteriorLogVariance[t], Is.EqualTo(Math.Log(s.PosteriorVariance[t])));
            }
        }

        Assert.That(s.PosteriorVariance[0], Is.Zero);
        Assert.That(s.PosteriorLogVariance[0], Is.EqualTo(s.PosteriorLogVariance[1]));
        Assert.That((s.CoefX0[0], s.CoefXt[0]), Is.EqualTo((1.0, 0.0)).Within(1e-12));
    }

    [TestCaseSource(nameof(All))]
    public void RespacingKeepsTheNoiseLevels(DiscreteSchedule s)
    {
        RespacedSchedule whole = s.Respace(Spacing.Section(s.Timesteps, s.Timesteps.ToString()));
        RespacedSchedule some = s.Respace(Spacing.Section(s.Timesteps, "5"));
        Assert.That(whole.TimestepMap, Is.EqualTo(Enumerable.Range(0, s.Timesteps)));
        for (int t = 0; t < s.Timesteps; t++)
        {
            Assert.That(whole.Chain.Betas[t], Is.EqualTo(s.Betas[t]).Within(1e-12));
            Assert.That(whole.Chain.AlphaBar[t], Is.EqualTo(s.AlphaBar[t]).Within(1e-12));
        }

        for (int j = 0; j < 5; j++)
            Assert.That(some.Chain.AlphaBar[j], Is.EqualTo(s.AlphaBar[some.TimestepMap[j]]).Within(1e-12));
    }

    [Test]
    public void NetworkSeesOriginalTimesteps()
    {
        RespacedSchedule r = DiscreteSchedule.Cosine(400).Respace([0, 100, 399]);
        NoiseLevel[] plain = r.Levels(), rescaled = r.Original.WithTimesteps(rescaled: true).Respace([0, 100, 399]).Levels();
        Assert.That(plain.Select(l => l.Timestep), Is.EqualTo(new double[] { 399, 100, 0 }));
        Assert.That(rescaled.Select(l => l.Timestep), Is.EqualTo(new double[] { 997.5, 250, 0 }));
        Assert.That(r.Original.WithTimesteps(rescaled: true).TimestepAt(r.Original.LogSnr[100]), Is.EqualTo(250).Within(1e-9));
        Assert.That(plain[1].Alpha, Is.EqualTo(r.Original.Alpha(100)));
    }

    [Test]
    public void RespacingRejectsBadSubsets()
    {
        DiscreteSchedule s = DiscreteSchedule.Cosine(10);
        Assert.That(() => s.Respace([]), Throws.ArgumentException);
        Assert.That(() => s.Respace([0, 10]), Throws.ArgumentException.With.Message.Contains("10"));
        Assert.That(() => s.Respace([3, 3]), Throws.ArgumentException.With.Message.Contains("increase"));
        Assert.That(() => DiscreteSchedule.FromBetas([0.1, 0]), Throws.InstanceOf<ArgumentOutOfRangeException>().With.Message.Contains("beta[1]"));
    }

    [Test]
    public void ZeroTerminalSnrStretchesToPureNoise()
    {
        DiscreteSchedule s = DiscreteSchedule.Linear(1000), z = s.WithZeroTerminalSnr();
        double first = s.Alpha(0), last = s.Alpha(999);
        Assert.That(z.AlphaBar[999], Is.Zero);
        Assert.That(z.LogSnr[999], Is.EqualTo(double.NegativeInfinity));
        for (int t = 0; t < 999; t++)
            Assert.That(z.Alpha(t), Is.EqualTo((s.Alpha(t) - last) * first / (first - last)).Within(1e-12));
        Assert.That((z.CoefX0[999], z.CoefXt[999]), Is.EqualTo((z.Alpha(998), 0.0)).Within(1e-15));
    }

    [Test]
    public void FractionalTimestepIsLinearInLogNoise()
    {
        DiscreteSchedule s = DiscreteSchedule.Linear(1000);
        Assert.That(s.TimestepAt(s.LogSnr[417]), Is.EqualTo(417).Within(1e-9));
        double quarter = Math.Exp(0.75 * Math.Log(s.SigmaEdm(30)) + 0.25 * Math.Log(s.SigmaEdm(31)));
        Assert.That(s.TimestepAt(Conversions.SigmaEdmToLogSnr(quarter)), Is.EqualTo(30.25).Within(1e-9));
        Assert.That(s.TimestepAt(50), Is.Zero);
        Assert.That(s.TimestepAt(-50), Is.EqualTo(999));
        DiscreteSchedule zero = s.WithZeroTerminalSnr();
        Assert.That(zero.TimestepAt(-50), Is.EqualTo(998), "a finite level lies before pure noise");
        Assert.That(zero.TimestepAt(double.NegativeInfinity), Is.EqualTo(999));
    }
}
