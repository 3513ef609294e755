using NUnit.Framework;
using NativeDiffusion.Model;
using NativeDiffusion.Model.Sampling;
using NativeDiffusion.Model.Schedules;

namespace NativeDiffusion.Tests.Model.Sampling;

internal sealed class VpSamplerTests
{
    private const double Tight = 1e-12;
    private static readonly DiscreteSchedule Cosine = DiscreteSchedule.Cosine(1000);
    private static readonly DiscreteSchedule Linear = DiscreteSchedule.Linear(1000);

    [Test]
    public void RowsCarryTimestepsAndEndClean()
    {
        SamplerTable table = Samplers.Ancestral(Linear.Respace(Spacing.Section(1000, "6")), PredictionType.Eps, AncestralVariance.LearnedRange);
        Assert.That(table.Rows.Select(r => r.Timestep), Is.EqualTo(new double[] { 999, 799, 599, 400, 200, 0 }));
        Assert.That(table.Rows.Select(r => r.StepIndex), Is.EqualTo(Enumerable.Range(0, 6)));
        Assert.That((table.Steps, table.InitialScale), Is.EqualTo((6, 1.0)));
        SamplerRow last = table.Rows[^1];
        Assert.That((last.A, last.C, last.NoNoise), Is.EqualTo((0.0, 0.0, true)));
        Assert.That(last.B, Is.EqualTo(1).Within(1e-12));
        Assert.That(table.Rows.SkipLast(1).All(r => r.LearnedVariance && r.Clip), Is.True);
    }

    [Test]
    public void Algorithm2RowsMatchTheReferenceSetting()
    {
        var schedule = new ContinuousSchedule();
        SamplerTable table = Samplers.Algorithm2(schedule.Levels(Spacing.UniformU(6)), PredictionType.Eps, 0.3);
        Assert.That(table.Rows, Has.Count.EqualTo(6));
        SamplerRow row = table.Rows[1];
        double l = -2.2481690648083146, m = -0.6388783300255495, r = Math.Exp(l - m);
        double alpha = 1 / Math.Sqrt(1 + Math.Exp(-l)), alpha2 = 1 / Math.Sqrt(1 + Math.Exp(-m));
        double sigma = 1 / Math.Sqrt(1 + Math.Exp(l)), sigma2 = 1 / Math.Sqrt(1 + Math.Exp(m));
        Assert.That(row.A, Is.EqualTo(r * alpha2 / alpha).Within(Tight));
        Assert.That(row.B, Is.EqualTo((1 - r) * alpha2).Within(Tight));
        Assert.That(row.C, Is.EqualTo(Math.Sqrt(Math.Pow((1 - r) * sigma2 * sigma2, 0.7) * Math.Pow((1 - r) * sigma * sigma, 0.3))).Within(Tight));
        Assert.That(row.XFromZ, Is.EqualTo(1 / alpha).Within(Tight));
        Assert.That(row.XFromG, Is.EqualTo(-sigma / alpha).Within(Tight));
        Assert.That(row.Timestep, Is.EqualTo(2000 / Math.PI * Math.Atan(Math.Exp(-l / 2))).Within(1e-9));
    }

    [Test]
    public void VInterpolatesTheDiscreteVariances([Values("6", "250", "1000")] string section)
    {
        foreach (DiscreteSchedule schedule in new[] { Cosine, Linear })
        {
            RespacedSchedule respaced = schedule.Respace(Spacing.Section(1000, section));
            NoiseLevel[] levels = respaced.Levels();
            SamplerTable small = Samplers.Ancestral(respaced, PredictionType.Eps, AncestralVariance.FixedSmall);
            SamplerTable large = Samplers.Ancestral(respaced, PredictionType.Eps, AncestralVariance.FixedLarge);
            SamplerTable range = Samplers.Ancestral(respaced, PredictionType.Eps, AncestralVariance.LearnedRange);
            SamplerTable v0 = Samplers.Algorithm2(levels, PredictionType.Eps, 0), v1 = Samplers.Algorithm2(levels, PredictionType.Eps, 1), vf = Samplers.Algorithm2(levels, PredictionType.Eps, 0.35);
            for (int i = 0; i < levels.Length; i++)
            {
                SamplerRow a = small.Rows[i], b = v0.Rows[i], r = range.Rows[i];
                // The last step keeps its variance for gradients that move the mean, and adds no noise.
                Assert.That((a.NoNoise, large.Rows[i].NoNoise, r.NoNoise), Is.EqualTo((i == levels.Length - 1, i == levels.Length - 1, i == levels.Length - 1)));
                Assert.That((b.A, b.B, b.C), Is.EqualTo((a.A, a.B, a.NoNoise ? 0 : a.C)).Within(Tight));
                if (!large.Rows[i].NoNoise) Assert.That(v1.Rows[i].C, Is.EqualTo(large.Rows[i].C).Within(Tight));
                if (!r.NoNoise)
                    Assert.That(Math.Exp(0.5 * (0.35 * r.LogVarMax + 0.65 * r.LogVarMin)), Is.EqualTo(vf.Rows[i].C).Within(Tight));
            }
        }
    }

    [Test]
    public void LearnedVarianceIsTheChannelItself()
    {
        SamplerRow row = Samplers.Ancestral(Cosine.Respace([0, 500, 999]), PredictionType.Eps, AncestralVariance.Learned).Rows[0];
        double nu = -3.7, f = (nu + 1) / 2;
        Assert.That(f * row.LogVarMax + (1 - f) * row.LogVarMin, Is.EqualTo(nu).Within(1e-15));
    }

    [Test]
    public void AncestralOnDiracDataKeepsExactMarginals([Values("3", "50")] string section, [Values] PredictionType type)
    {
        const double M = 0.7;
        RespacedSchedule respaced = Cosine.Respace(Spacing.Section(1000, section));
        NoiseLevel[] levels = respaced.Levels();
        SamplerTable table = Samplers.Ancestral(respaced, type, AncestralVariance.FixedSmall, clip: false);
        ScalarSampler.Network network = ExactModel.Network(type, ExactModel.Gaussian(M, 0));
        double mean = levels[0].Alpha * M, variance = levels[0].Sigma * levels[0].Sigma;
        for (int i = 0; i < levels.Length; i++)
        {
            (double factor, double offset, double noise) = ScalarSampler.Linear(table.Rows[i], network);
            (mean, variance) = (factor * mean + offset, factor * factor * variance + noise * noise);
            (double alpha, double sigma) = i + 1 < levels.Length ? (levels[i + 1].Alpha, levels[i + 1].Sigma) : (1, 0);
            Assert.That(mean, Is.EqualTo(alpha * M).Within(1e-10), $"mean after step {i}");
            Assert.That(variance, Is.EqualTo(sigma * sigma).Within(1e-10), $"variance after step {i}");
        }

        Assert.That(ScalarSampler.Run(table, network, -1.4, ScalarSampler.Normals(5))[^1], Is.EqualTo(M).Within(1e-10));
    }

    [Test]
    public void LargeVarianceOnNormalDataIsStationary([Values("2", "17", "400")] string section)
    {
        RespacedSchedule respaced = Linear.Respace(Spacing.Section(1000, section));
        NoiseLevel[] levels = respaced.Levels();
        SamplerTable table = Samplers.Algorithm2(levels, PredictionType.Eps, 1, clip: false);
        for (int i = 0; i + 1 < levels.Length; i++)
        {
            (double factor, double offset, double noise) = ScalarSampler.Linear(table.Rows[i], ExactModel.Network(PredictionType.Eps, ExactModel.Gaussian(0, 1)));
            double ratio = levels[i].Alpha / levels[i + 1].Alpha;
            Assert.That((factor, offset), Is.EqualTo((ratio, 0.0)).Within(1e-10));
            Assert.That(factor * factor + noise * noise, Is.EqualTo(1).Within(1e-10));
        }
    }

    [Test]
    public void DdimOnGaussianDataHasTheClosedFormMultiplier([Values] PredictionType type, [Values] bool rederive)
    {
        const double M = 0.4, S2 = 0.09;
        NoiseLevel[] levels = Cosine.Respace(Spacing.Section(1000, "20")).Levels();
        SamplerTable table = Samplers.Ddim(levels, type, clip: false, rederiveEps: rederive);
        for (int i = 0; i + 1 < levels.Length; i++)
        {
            NoiseLevel l = levels[i], n = levels[i + 1];
            (double factor, double offset, _) = ScalarSampler.Linear(table.Rows[i], ExactModel.Network(type, ExactModel.Gaussian(M, S2)));
            double multiplier = (l.Alpha * n.Alpha * S2 + l.Sigma * n.Sigma) / (l.Alpha * l.Alpha * S2 + l.Sigma * l.Sigma);
            Assert.That(factor, Is.EqualTo(multiplier).Within(1e-10));
            Assert.That(factor * l.Alpha * M + offset, Is.EqualTo(n.Alpha * M).Within(1e-10));
            (factor, offset, _) = ScalarSampler.Linear(table.Rows[i], ExactModel.Network(type, ExactModel.Gaussian(M, 0)));
            Assert.That(factor, Is.EqualTo(n.Sigma / l.Sigma).Within(1e-10), "exact for a single point");
        }
    }

    [Test]
    public void DdimConvergesToTheProbabilityFlow()
    {
        const double S2 = 0.09;
        double Error(int steps)
        {
            NoiseLevel[] levels = Cosine.Respace(Spacing.Linspace(1000, steps)).Levels();
            NoiseLevel from = levels[0], to = levels[^1];
            double exact = Math.Sqrt((to.Alpha * to.Alpha * S2 + to.Sigma * to.Sigma) / (from.Alpha * from.Alpha * S2 + from.Sigma * from.Sigma));
            double[] states = ScalarSampler.Run(Samplers.Ddim(levels, PredictionType.Eps, clip: false), ExactModel.Network(PredictionType.Eps, ExactModel.Gaussian(0, S2)), 1, ScalarSampler.NoNoise);
            return Math.Abs(states[^2] - exact);
        }

        Assert.That(Math.Log2(Error(40) / Error(80)), Is.EqualTo(1).Within(0.15));
        Assert.That(Math.Log2(Error(80) / Error(160)), Is.EqualTo(1).Within(0.15));
    }

    [Test]
    public void DdimWithEtaOneIsAncestral()
    {
        RespacedSchedule respaced = Linear.Respace(Spacing.Section(1000, "25"));
        SamplerTable ancestral = Samplers.Ancestral(respaced, PredictionType.Eps, AncestralVariance.FixedSmall);
        SamplerTable ddim = Samplers.Ddim(respaced.Levels(), PredictionType.Eps, eta: 1);
        foreach ((SamplerRow a, SamplerRow d) in ancestral.Rows.Zip(ddim.Rows))
            Assert.That((d.A, d.B, d.C, d.E), Is.EqualTo((a.A, a.B, a.C, 0.0)).Within(1e-12));
    }

    [Test]
    public void DdimEtaFollowsThePublishedFormula()
    {
        NoiseLevel[] levels = Cosine.Respace(Spacing.Section(1000, "6")).Levels();
        SamplerTable raw = Samplers.Ddim(levels, PredictionType.Eps, 0.5, rederiveEps: false);
        double ab = levels[2].Alpha * levels[2].Alpha, ab2 = levels[3].Alpha * levels[3].Alpha;
        double k = 0.5 * Math.Sqrt((1 - ab2) / (1 - ab)) * Math.Sqrt(1 - ab / ab2);
        Assert.That((raw.Rows[2].A, raw.Rows[2].B, raw.Rows[2].E, raw.Rows[2].C), Is.EqualTo((0.0, Math.Sqrt(ab2), Math.Sqrt(1 - ab2 - k * k), k)).Within(Tight));
        SamplerTable collapsed = Samplers.Ddim(levels, PredictionType.Eps, 0.5, clip: false);
        Assert.That(collapsed.Rows[2].A, Is.EqualTo(Math.Sqrt(ab2 / ab)).Within(Tight));
        Assert.That(collapsed.Rows[2].E, Is.EqualTo(Math.Sqrt(1 - ab2 - k * k) - Math.Sqrt(ab2 * (1 - ab) / ab)).Within(1e-11));
        Assert.That(collapsed.Rows[2].B, Is.Zero);
    }

    [Test]
    public void DdimRawEpsDiffersFromRederivedOnlyWhenClipping([Values] PredictionType type)
    {
        NoiseLevel[] levels = Cosine.Respace(Spacing.Section(1000, "8")).Levels();
        ScalarSampler.Network network = ExactModel.Network(type, ExactModel.Gaussian(0.9, 0.4));
        double Last(bool clip, bool rederive) =>
            ScalarSampler.Run(Samplers.Ddim(levels, type, 0.3, clip, rederive), network, 1.7, ScalarSampler.Normals(2))[^2];
        Assert.That(Last(false, true), Is.EqualTo(Last(false, false)).Within(1e-9));
        Assert.That(Last(true, true), Is.Not.EqualTo(Last(true, false)).Within(1e-3));
    }

    [Test]
    public void InversionRoundTripsToFirstOrder()
    {
        double Error(int steps)
        {
            NoiseLevel[] levels = Cosine.Respace(Spacing.Linspace(1000, steps)).Levels();
            ScalarSampler.Network network = ExactModel.Network(PredictionType.V, ExactModel.Gaussian(0.2, 0.25));
            double[] forward = ScalarSampler.Run(Samplers.DdimInversion(levels, PredictionType.V, clip: false), network, 0.6, ScalarSampler.NoNoise);
            // The noise at the noisiest level; the row after it goes on to alpha = 0.
            return Math.Abs(ScalarSampler.Run(Samplers.Ddim(levels, PredictionType.V, clip: false), network, forward[^2], ScalarSampler.NoNoise)[^2] - 0.6);
        }

        Assert.That(Error(200), Is.LessThan(0.05));
        Assert.That(Math.Log2(Error(100) / Error(200)), Is.EqualTo(1).Within(0.2));
        SamplerTable table = Samplers.DdimInversion(Cosine.Respace([0, 10, 20]).Levels(), PredictionType.Eps);
        Assert.That(table.Rows.Select(r => r.Timestep), Is.EqualTo(new double[] { 0, 10, 20 }));
        Assert.That(table.Rows[^1].B * Cosine.Sigma(20), Is.EqualTo(-Cosine.Alpha(20)).Within(Tight), "ends as the noise itself");
    }

    [Test]
    public void EveryCoefficientIsFiniteAtTheNoisyEnd([Values] PredictionType type)
    {
        NoiseLevel[] continuous = new ContinuousSchedule().Levels(Spacing.UniformU(9));
        SamplerTable[] tables =
        [
            Samplers.Algorithm2(continuous, type), Samplers.Ddim(continuous, type, 0.5), Samplers.Ddim(continuous, type, clip: false), Samplers.DpmSolver2M(continuous, type),
            Samplers.Euler(continuous, type), Samplers.EulerAncestral(continuous, type), Samplers.DdimInversion(continuous, type),
        ];
        RequireFinite(tables);
        Assert.That(tables[0].Rows[0].A, Is.LessThan(1e-3));
        if (type == PredictionType.Eps) return;

        RespacedSchedule zero = Linear.WithZeroTerminalSnr().Respace(Spacing.Trailing(1000, 5));
        RequireFinite(Samplers.Ancestral(zero, type, AncestralVariance.LearnedRange), Samplers.Ddim(zero.Levels(), type, 0.5), Samplers.Algorithm2(zero.Levels(), type), Samplers.DpmSolver2M(zero.Levels(), type));
        Assert.That(() => Samplers.Euler(zero.Levels(), type), Throws.ArgumentException.With.Message.Contains("pure noise"));
    }

    [Test]
    public void BadLevelsAreRefused()
    {
        NoiseLevel[] levels = new ContinuousSchedule().Levels([0.2, 0.8]);
        Assert.That(() => Samplers.Algorithm2(levels, PredictionType.Eps), Throws.ArgumentException.With.Message.Contains("noisy to clean"));
        Assert.That(() => Samplers.Ddim([], PredictionType.Eps), Throws.ArgumentException);
        Assert.That(() => Samplers.Ddim(levels, PredictionType.Eps, 1.5), Throws.InstanceOf<ArgumentOutOfRangeException>());
    }

    private static void RequireFinite(params SamplerTable[] tables)
    {
        foreach (SamplerTable table in tables)
        {
            foreach (SamplerRow r in table.Rows)
            {
                double[] all = [r.InputScale, r.Timestep, r.XFromZ, r.XFromG, r.A, r.B, r.E, r.P, r.Q, r.C, r.LogVarMin, r.LogVarMax, r.HistoryFromZ, r.HistoryFromX];
                Assert.That(all.All(v => float.IsFinite((float)v)), Is.True, $"{table}: {r}");
            }
        }
    }
}
