using NUnit.Framework;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Guiders;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Tests.Model.Sampling;

internal sealed class GuidanceTests
{
    private static readonly ContinuousSchedule Schedule = new();

    private static SamplerTable[] Tables(PredictionType type, int steps, bool clip = false)
    {
        NoiseLevel[] levels = Schedule.Levels(Spacing.UniformU(steps));
        double[] sigmas = Spacing.Karras(steps);
        return
        [
            Samplers.Algorithm2(levels, type, 0.3, clip), Samplers.Ddim(levels, type, 0, clip), Samplers.Ddim(levels, type, 0.6, clip), Samplers.DpmSolver2M(levels, type, clip),
            Samplers.Euler(NoiseLevel.FromSigmas(Schedule, sigmas), type, clip), Samplers.EulerAncestral(NoiseLevel.FromSigmas(Schedule, sigmas), type, 1, clip),
            Samplers.Heun(Schedule, sigmas, type, new HeunChurn(3), clip),
            Samplers.Ancestral(DiscreteSchedule.Cosine(1000).Respace(Spacing.Section(1000, $"{steps}")), type, AncestralVariance.FixedLarge, clip),
        ];
    }

    [Test]
    public void ConventionsConvert()
    {
        Assert.That(((GuidanceScale)new GuidanceStrength(0.5)).S, Is.EqualTo(1.5));
        Assert.That(((GuidanceStrength)new GuidanceScale(1)).W, Is.Zero);
        Assert.That((GuidanceStrength)(GuidanceScale)new GuidanceStrength(4), Is.EqualTo(new GuidanceStrength(4)));
    }

    [Test]
    public void IntervalsGateByStepOrLevel()
    {
        SamplerTable heun = Samplers.Heun(Schedule, [10, 5, 2, 1], PredictionType.Eps);
        double[] Scales(GuidanceInterval interval) => [.. heun.Rows.Select(r => interval.Contains(new GuidanceMoment(r.StepIndex, heun.Steps, r.LogSnr)) ? 3.0 : 1)];
        Assert.That(Scales(default), Is.All.EqualTo(3.0));
        Assert.That(Scales(GuidanceInterval.Steps(1, 2)), Is.EqualTo(new double[] { 1, 1, 3, 3, 3, 3, 1 }), "both evaluations of a step");
        // Rows lie at 10, 5, 5, 2, 2, 1, 1.
        Assert.That(Scales(GuidanceInterval.Sigmas(1, 5)), Is.EqualTo(new double[] { 1, 3, 3, 3, 3, 1, 1 }), "low end excluded, high end included");
        Assert.That(Scales(GuidanceInterval.Sigmas(0, double.PositiveInfinity)), Is.All.EqualTo(3.0));
        Assert.That(Scales(GuidanceInterval.Steps(1, 0)), Is.All.EqualTo(1.0));
        Assert.That(() => GuidanceInterval.Sigmas(-1, 2), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    [Test]
    public void NoOps()
    {
        Func<NoiseLevel, double, double> c = ExactModel.Gaussian(0.5, 0.1), u = ExactModel.Gaussian(-0.2, 0.4);
        foreach (SamplerTable table in Tables(PredictionType.Eps, 10, clip: true))
        {
            double z = 0.8 * table.InitialScale;
            double[] Run(Func<NoiseLevel, double, double> cond, Func<NoiseLevel, double, double> none, double scale, GuidanceInterval interval = default) =>
                ScalarSampler.Run(table, ExactModel.Network(PredictionType.Eps, cond, none), z, ScalarSampler.Normals(4), scale, interval);
            Assert.That(Run(c, u, 1), Is.EqualTo(Run(c, c, 1)), "scale 1 is the conditional model, bit for bit");
            Assert.That(Run(c, u, 0), Is.EqualTo(Run(u, u, 1)).Within(1e-12), "scale 0 is the unconditional model");
            Assert.That(Run(c, c, 7), Is.EqualTo(Run(c, c, 1)).Within(1e-12), "no difference, no effect");
            Assert.That(Run(c, u, 7, GuidanceInterval.Steps(1, 0)), Is.EqualTo(Run(c, c, 1)), "empty interval");
        }
    }

    [Test]
    public void PredictionSpacesAgree()
    {
        Func<NoiseLevel, double, double> c = ExactModel.Mixture((0.5, 0.2, 0.02), (0.5, 0.7, 0.05)), u = ExactModel.Gaussian(-0.2, 0.4);
        SamplerTable[][] tables = [Tables(PredictionType.Eps, 12), Tables(PredictionType.X0, 12), Tables(PredictionType.V, 12)];
        for (int k = 0; k < tables[0].Length; k++)
        {
            double[][] ends = [.. tables.Select((t, type) => ScalarSampler.Run(t[k], ExactModel.Network((PredictionType)type, c, u), 0.8 * t[k].InitialScale, ScalarSampler.Normals(4), 2.5))];
            Assert.That(ends[1], Is.EqualTo(ends[0]).Within(1e-5), tables[0][k].Name);
            Assert.That(ends[2], Is.EqualTo(ends[0]).Within(1e-5), tables[0][k].Name);
        }
    }

    [Test]
    public void TwoGaussiansOfOneVarianceShiftTheMean([Values(0.5, 3)] double w)
    {
        const double M1 = 0.4, M0 = -0.3, V = 0.15;
        ScalarSampler.Network guided = ExactModel.Network(PredictionType.V, ExactModel.Gaussian(M1, V), ExactModel.Gaussian(M0, V));
        ScalarSampler.Network shifted = ExactModel.Network(PredictionType.V, ExactModel.Gaussian((1 + w) * M1 - w * M0, V));
        foreach (SamplerTable table in Tables(PredictionType.V, 15))
        {
            double z = -1.1 * table.InitialScale;
            Assert.That(ScalarSampler.Run(table, guided, z, ScalarSampler.Normals(9), 1 + w), Is.EqualTo(ScalarSampler.Run(table, shifted, z, ScalarSampler.Normals(9))).Within(1e-10), table.Name);
        }
    }

    [Test]
    public void TwoVariancesFollowTheGuidedFlow([Values(0.5, 2)] double w)
    {
        const double V1 = 0.1, V0 = 0.5, SMax = 80, SMin = 0.002;
        // dx/ds = s ((1 + w) / (V1 + s^2) - w / (V0 + s^2)) x has this logarithm as integral.
        double Log(double s) => 0.5 * ((1 + w) * Math.Log(V1 + s * s) - w * Math.Log(V0 + s * s));
        double exact = SMax * Math.Exp(Log(SMin) - Log(SMax));
        ScalarSampler.Network network = ExactModel.Network(PredictionType.X0, ExactModel.Gaussian(0, V1), ExactModel.Gaussian(0, V0));
        double[] sigmas = Spacing.Karras(1024, SMin, SMax);
        NoiseLevel[] levels = NoiseLevel.FromSigmas(Schedule, sigmas);
        double End(SamplerTable t, bool vp = false) =>
            ScalarSampler.Run(t, network, SMax * (vp ? levels[0].Alpha : 1), ScalarSampler.NoNoise, 1 + w)[^2] / (vp ? levels[^1].Alpha : 1);
        Assert.That(End(Samplers.Heun(Schedule, sigmas, PredictionType.X0, clip: false)), Is.EqualTo(exact).Within(0.01).Percent);
        Assert.That(End(Samplers.DpmSolver2M(levels, PredictionType.X0, clip: false), vp: true), Is.EqualTo(exact).Within(0.03).Percent);
        Assert.That(End(Samplers.Ddim(levels, PredictionType.X0, clip: false), vp: true), Is.EqualTo(exact).Within(3).Percent);
    }

    [Test]
    public void MixtureEndToEnd()
    {
        const int Count = 20_000;
        (double, double, double)[] mine = [(0.5, 0.3, 0.04), (0.5, 1.1, 0.09)], other = [(0.5, -0.3, 0.04), (0.5, -1.1, 0.09)];
        ScalarSampler.Network network = ExactModel.Network(PredictionType.X0, ExactModel.Mixture(mine), ExactModel.Mixture([.. mine, .. other]));
        SamplerTable table = Samplers.Heun(Schedule, Spacing.Karras(64), PredictionType.X0, clip: false);
        double purity = 0, std = double.PositiveInfinity;
        foreach (double w in new[] { 0, 1, 3 })
        {
            var random = new Random(11);
            double[] x = new double[Count];
            for (int i = 0; i < Count; i++)
                x[i] = ScalarSampler.Run(table, network, table.InitialScale * ScalarSampler.Normal(random), ScalarSampler.NoNoise, 1 + w)[^1];
            if (w == 0) Assert.That(KolmogorovSmirnov(x, v => 0.5 * Cdf((v - 0.3) / 0.2) + 0.5 * Cdf((v - 1.1) / 0.3)), Is.LessThan(1.63 / Math.Sqrt(Count)));
            double mean = x.Average(), newStd = Math.Sqrt(x.Sum(v => (v - mean) * (v - mean)) / Count), newPurity = x.Average(Posterior);
            Assert.That(newPurity, Is.GreaterThan(purity), $"purity at w={w}");
            Assert.That(newStd, Is.LessThan(std), $"spread at w={w}");
            (purity, std) = (newPurity, newStd);
        }

        double Density(double v, (double W, double M, double V)[] parts) => parts.Sum(p => p.W * Math.Exp(-(v - p.M) * (v - p.M) / (2 * p.V)) / Math.Sqrt(p.V));
        double Posterior(double v) => 1 / (1 + Density(v, other) / Density(v, mine));
    }

    [Test]
    public void FloatFollowsDouble()
    {
        Func<NoiseLevel, double, double> c = ExactModel.Mixture((0.5, 0.2, 0.02), (0.5, 0.7, 0.05)), u = ExactModel.Mixture((0.5, 0.4, 0.1), (0.5, -0.5, 0.1));
        foreach (SamplerTable table in Tables(PredictionType.V, 250, clip: true))
        {
            double sum = 0;
            for (int i = 0; i < 40; i++)
            {
                ScalarSampler.Network network = ExactModel.Network(PredictionType.V, c, u);
                float z = (float)(ScalarSampler.Normals(100 + i)(0) * table.InitialScale);
                double difference = ScalarSampler.RunFloat(table, network, z, ScalarSampler.Normals(i), 2.5f)
                    - ScalarSampler.Run(table, network, z, ScalarSampler.Normals(i), 2.5)[^1];
                sum += difference * difference;
            }

            Assert.That(Math.Sqrt(sum / 40), Is.LessThan(1e-4), table.Name);
        }
    }

    private static double KolmogorovSmirnov(double[] values, Func<double, double> cdf)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Select((v, i) => Math.Max(Math.Abs(cdf(v) - (double)i / sorted.Length), Math.Abs(cdf(v) - (i + 1.0) / sorted.Length))).Max();
    }

    // Normal distribution function by its power series, exact to rounding within 6 standard deviations.
    private static double Cdf(double x)
    {
        if (Math.Abs(x) > 6) return x > 0 ? 1 : 0;
        double term = x, sum = x;
        for (int k = 1; k < 200; k++) sum += term *= x * x / (2 * k + 1);
        return 0.5 + sum * Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);
    }
}
