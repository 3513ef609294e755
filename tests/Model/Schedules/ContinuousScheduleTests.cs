using NativeDiffusion.Model.Schedules;
using NUnit.Framework;

namespace NativeDiffusion.Tests.Model.Schedules;

internal sealed class ContinuousScheduleTests
{
    [TestCase(-20, 20)]
    [TestCase(-8, 12)]
    public void EndsAnglesAndInverse(double min, double max)
    {
        var s = new ContinuousSchedule(min, max);
        double b = Math.Atan(Math.Exp(-max / 2)), a = Math.Atan(Math.Exp(-min / 2)) - b;
        Assert.That(s.LogSnr(0), Is.EqualTo(max).Within(1e-12));
        Assert.That(s.LogSnr(1), Is.EqualTo(min).Within(1e-12));
        for (int i = 0; i <= 100; i++)
        {
            double u = i / 100.0;
            NoiseLevel l = s.Level(u);
            Assert.That(l.Alpha, Is.EqualTo(Math.Cos(a * u + b)).Within(1e-14));
            Assert.That(l.Sigma, Is.EqualTo(Math.Sin(a * u + b)).Within(1e-14));
            Assert.That(l.Alpha * l.Alpha + l.Sigma * l.Sigma, Is.EqualTo(1).Within(1e-14));
            Assert.That(2 * Math.Log(l.Alpha / l.Sigma), Is.EqualTo(l.LogSnr).Within(1e-12));
            Assert.That(s.U(l.LogSnr), Is.EqualTo(u).Within(1e-12));
            Assert.That(l.SigmaEdm, Is.EqualTo(Conversions.LogSnrToSigmaEdm(l.LogSnr)).Within(1e-12).Percent);
        }

        Assert.That(() => s.LogSnr(1.01), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void UniformUMatchesReferenceCase()
    {
        // log_snr of the case sample_cfg_alg2.
        double[] expected = [-20.000000000002164, -2.2481690648083146, -0.6388783300255495, 0.6388783300255486, 2.2481690648083146, 20.0];
        double[] got = [.. Spacing.UniformU(6).Select(new ContinuousSchedule().LogSnr)];
        Assert.That(got, Is.EqualTo(expected).Within(1e-11));
    }

    [Test]
    public void SampledLogSnrFollowsTheSechLaw()
    {
        const int Count = 100_000;
        var s = new ContinuousSchedule(-80, 80);
        var random = new Random(1);
        double[] values = new double[Count];
        for (int i = 0; i < Count; i++) values[i] = s.LogSnr(random.NextDouble());
        Array.Sort(values);
        double distance = 0;
        for (int i = 0; i < Count; i++)
        {
            double cdf = 1 - 2 / Math.PI * Math.Atan(Math.Exp(-values[i] / 2));
            distance = Math.Max(distance, Math.Max(Math.Abs(cdf - (double)i / Count), Math.Abs(cdf - (i + 1.0) / Count)));
        }

        double mean = values.Average(), variance = values.Sum(v => (v - mean) * (v - mean)) / Count;
        Assert.That(distance, Is.LessThan(1.63 / Math.Sqrt(Count)), "Kolmogorov-Smirnov at 1%");
        Assert.That(mean, Is.EqualTo(0).Within(4 * Math.PI / Math.Sqrt(Count)));
        Assert.That(variance, Is.EqualTo(Math.PI * Math.PI).Within(4 * 2 * Math.PI * Math.PI / Math.Sqrt(Count)));
    }

    [Test]
    public void NetworkTimeIsBoundedMonotoneAndClamped()
    {
        Assert.That(ContinuousSchedule.NetworkTime(0), Is.EqualTo(500).Within(1e-12));
        Assert.That(ContinuousSchedule.NetworkTime(20), Is.EqualTo(2000 / Math.PI * Math.Atan(Math.Exp(-10))).Within(1e-12));
        Assert.That(ContinuousSchedule.NetworkTime(25), Is.EqualTo(ContinuousSchedule.NetworkTime(20)));
        Assert.That(ContinuousSchedule.NetworkTime(-25), Is.EqualTo(ContinuousSchedule.NetworkTime(-20)));
        Assert.That(ContinuousSchedule.NetworkTime(-20), Is.EqualTo(1000 - ContinuousSchedule.NetworkTime(20)).Within(1e-10));
    }

    [Test]
    public void VpSdeInvertsAndApproachesTheDiscreteLinearSchedule()
    {
        var sde = new VpSdeSchedule();
        DiscreteSchedule linear = DiscreteSchedule.Linear(1000);
        foreach (double u in new[] { 1e-5, 0.003, 0.1, 0.5, 1 })
        {
            Assert.That(sde.U(sde.LogSnr(u)), Is.EqualTo(u).Within(1e-10).Percent, $"u={u}");
            Assert.That(Conversions.LogSnrToAlphaBar(sde.LogSnr(u)), Is.EqualTo(sde.AlphaBar(u)).Within(1e-12));
        }

        Assert.That(sde.AlphaBar(1), Is.EqualTo(Math.Exp(-10.05)).Within(1e-15));
        Assert.That(sde.TimestepAt(sde.LogSnr(0.25)), Is.EqualTo(249.75).Within(1e-9));
        foreach (int t in new[] { 9, 99, 499, 899 })
            Assert.That(sde.LogSnr((t + 1) / 1000.0), Is.EqualTo(linear.LogSnr[t]).Within(0.1));
    }
}
